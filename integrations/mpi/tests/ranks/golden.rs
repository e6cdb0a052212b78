//! The recorded traces over ranks have the bits of one device.

use super::harness::{gpu, ranks};
use super::over_ranks::{How, Outcomes, check, replay, rows_that_differ};
use sparse_adam_mpi::{Assign, Sums, World};
use sparse_adam_testkit::trace::Trace;
use std::path::{Path, PathBuf};

fn traces(folder: &str) -> Vec<(PathBuf, Trace)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(folder);
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|end| end == "safetensors"));
    let parse = |path: PathBuf| {
        let trace = Trace::parse(&std::fs::read(&path).unwrap()).unwrap();
        (path, trace)
    };
    files.map(parse).collect()
}

fn compare(folder: &str, least: usize, counts: &[u32], sums: Sums) {
    compare_those(folder, least, (counts, sums), |_| true);
}

fn compare_those(
    folder: &str,
    least: usize,
    (counts, sums): (&[u32], Sums),
    is_meant: fn(&Trace) -> bool,
) {
    let mut compared = 0usize;
    for (path, trace) in traces(folder) {
        if check(&trace).is_err() || !is_meant(&trace) {
            continue;
        }
        let expected = pollster::block_on(trace.outcomes(gpu())).unwrap();
        for &count in counts {
            // By turns, so that each number of ranks has both: there are odd numbers of them.
            let turn = compared % 2;
            let assign = [Assign::Cyclic, Assign::Block][turn];
            let how = How { sums, assign, save: None };
            let ended = World::run(ranks(count), |rank| replay(&trace, gpu(), rank, &how).unwrap());
            let found: Outcomes = ended.into_iter().flatten().collect();
            let rows = rows_that_differ(&trace, &found, &expected);
            assert_eq!(rows, 0, "rows of {}, {count} ranks, {assign:?}", path.display());
            compared += 1;
        }
    }
    eprintln!("{compared} runs, 0 rows differ");
    assert!(counts.len() % 2 == 1 && compared >= least * counts.len(), "golden traces are missing");
}

#[test]
fn traces_of_torch() {
    compare("", 16, &[1, 2, 3, 4, 5, 6, 7], Sums::Entries);
}

#[test]
fn traces_of_torch_with_sums_of_chunks() {
    compare("", 16, &[2, 3, 7], Sums::Chunks);
}

#[test]
fn traces_of_other_libraries() {
    compare("peers", 31, &[3], Sums::Entries);
}

#[test]
fn traces_clipped_by_the_norm_of_all_gradients() {
    let clipped = |trace: &Trace| trace.recipe.clip_grad_norm.is_some();
    compare_those("peers", 1, (&[1, 2, 3, 4, 5, 6, 7], Sums::Entries), clipped);
    compare_those("peers", 1, (&[1, 2, 3, 4, 5, 6, 7], Sums::Chunks), clipped);
}

#[test]
fn traces_in_16_bits() {
    // Of six, two round by random bits.
    compare("formats", 4, &[3], Sums::Entries);
    compare("formats", 4, &[2], Sums::Chunks);
    let refused = traces("formats").into_iter().filter(|(_, trace)| check(trace).is_err());
    let names: Vec<_> = refused.map(|(path, _)| path.file_stem().unwrap().to_owned()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}
