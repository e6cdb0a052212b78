//! Training over files is killed at any time: the last checkpoint is there, whole, and training goes on from it to the
//! bits of a run that was never killed.

use crate::run::{DIM, ROWS, Run, init, sum};
use sparse_adam_cached::{FileStore, Layout, MemoryStore, RowStore};
use sparse_adam_testkit::campaign::Budget;
use sparse_adam_testkit::{Rng, gpus};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Where the child trains, and with which seed.
const FOLDER: &str = "SPARSE_ADAM_TRAINS_IN";
const SEED: &str = "SPARSE_ADAM_TRAINS_WITH";
/// Steps of a whole run, and from one checkpoint to the next.
const STEPS: u64 = 300;
const EVERY: u64 = 3;

fn open(folder: &Path, layout: Layout) -> FileStore {
    FileStore::open(folder, ROWS, layout, init()).unwrap().fold_from(200_000)
}

#[test]
#[ignore = "the child of the test below"]
fn trains_until_it_is_killed() {
    let folder = PathBuf::from(std::env::var(FOLDER).unwrap());
    let seed = std::env::var(SEED).unwrap().parse().unwrap();
    let mut run = Run::new(&gpus()[0], seed, |layout| Ok(open(&folder, layout))).unwrap();
    println!("\nready");
    while run.steps() < STEPS {
        run.step().unwrap();
        if run.steps().is_multiple_of(EVERY) {
            let note = format!("step {}", run.steps());
            run.table.checkpoint(&mut run.adam, &note).unwrap();
        }
    }
}

/// Checksums of all rows at each checkpoint of a run that is not killed, from step 0.
fn never_killed(seed: u64) -> Vec<u32> {
    let made = |layout| Ok(MemoryStore::new(ROWS, layout, init()));
    let mut run = Run::new(&gpus()[0], seed, made).unwrap();
    let mut sums = vec![sum(run.table.store())];
    while run.steps() < STEPS {
        run.step().unwrap();
        if run.steps().is_multiple_of(EVERY) {
            run.table.flush(&mut run.adam).unwrap();
            sums.push(sum(run.table.store()));
        }
    }
    sums
}

/// A child that trains, once it does, and what it says: nobody to say it to would end it.
fn child(folder: &Path, seed: u64) -> (Child, impl BufRead) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kills::trains_until_it_is_killed", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .env(SEED, seed.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let ready = out.by_ref().lines().map_while(Result::ok).any(|line| line == "ready");
    assert!(ready, "the child never trained: {:?}", child.wait());
    (child, out)
}

#[test]
fn campaign_kills_in_training() {
    let folder = std::env::temp_dir().join(format!("sparse-adam-kills-{}", std::process::id()));
    let budget = Budget::new();
    let mut rng = Rng(budget.seed);
    let (mut kills, mut whole_runs, mut gone_on) = (0u64, 0u64, 0u64);
    while budget.is_left() || kills < 4 {
        let seed = rng.next();
        let sums = never_killed(seed);
        let mut reached = 0;
        let _ = std::fs::remove_dir_all(&folder);
        while reached < STEPS && (budget.is_left() || kills < 4) {
            let (mut child, _out) = child(&folder, seed);
            std::thread::sleep(Duration::from_micros(rng.below(700_000) as u64));
            let ended = child.try_wait().unwrap();
            child.kill().unwrap();
            child.wait().unwrap();
            kills += u64::from(ended.is_none());
            let said = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
            assert!(ended.is_none_or(|status| status.success()), "training failed: {said}");
            let store = open(&folder, Layout::f32(DIM).unwrap());
            let mark = store.mark();
            let steps = mark.as_ref().map_or(0, |mark| mark.steps);
            assert!(steps >= reached, "checkpoint {reached} is lost, {steps} was found");
            assert!(mark.is_none_or(|mark| mark.note == format!("step {steps}")));
            assert_eq!(sum(&store), sums[(steps / EVERY) as usize], "the rows of step {steps}");
            assert!(ended.is_none() || steps == STEPS);
            gone_on += u64::from(reached > 0 && steps > reached);
            reached = steps;
        }
        whole_runs += u64::from(reached == STEPS);
    }
    std::fs::remove_dir_all(&folder).unwrap();
    println!(
        "campaign: kills in training over files: kills {kills}, restarts that went further {gone_on}, \
         runs to the end {whole_runs}, checkpoints lost 0, rows wrong 0"
    );
}
