//! A process that saves over and over is killed at any time: one of its states is there, whole.

use super::folder;
use sparse_adam::{AdamOptions, GroupState, ParamState, StateDict};
use sparse_adam_testkit::Rng;
use sparse_adam_testkit::campaign::Budget;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Where the child saves.
const PATH: &str = "SPARSE_ADAM_SAVES_TO";

/// A state of 2 MiB, all of whose numbers are `number`.
fn state(number: u64) -> StateDict {
    let moment = vec![number as f32; 1 << 18];
    let shape = vec![1 << 12, 1 << 6];
    let mut dict = StateDict::default();
    dict.state.insert(0, ParamState::new(number, shape, moment.clone(), moment));
    dict.param_groups.push(GroupState::new(AdamOptions::default(), vec![0]));
    dict
}

fn temporaries(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".tmp")).count()
}

#[test]
#[ignore = "the child of the test below"]
fn saves_until_it_is_killed() {
    let path = std::env::var(PATH).unwrap();
    for number in 0.. {
        state(number % 2).save(&path).unwrap();
    }
}

#[test]
fn campaign_kills_during_saves() {
    let folder = folder("kills");
    let path = folder.join("state.safetensors");
    state(0).save(&path).unwrap();
    let budget = Budget::new();
    let mut rng = Rng(budget.seed);
    let (mut kills, mut in_the_middle, mut found) = (0, 0, [0; 2]);
    while budget.is_left() || in_the_middle == 0 {
        kills += 1;
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "suite::files::kills::saves_until_it_is_killed", "--ignored"])
            .env(PATH, &path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_micros(rng.below(60_000) as u64));
        assert!(child.try_wait().unwrap().is_none(), "it stopped by itself");
        child.kill().unwrap();
        child.wait().unwrap();
        in_the_middle += u64::from(temporaries(&folder) > 0);
        let loaded = StateDict::load(&path).unwrap();
        let number = loaded.state[&0].step;
        assert!(number < 2 && loaded == state(number), "not one of the two states");
        found[number as usize] += 1;
        // The next save clears up.
        loaded.save(&path).unwrap();
        assert_eq!(temporaries(&folder), 0, "a file was left behind");
        assert!(kills < 10_000, "no kill hit a save");
    }
    println!(
        "campaign: kills during saves: kills {kills}, in the middle of a save {in_the_middle}, old state {}, new state {}, wrong 0, left behind 0",
        found[0], found[1]
    );
}
