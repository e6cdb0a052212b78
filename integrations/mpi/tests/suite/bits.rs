//! Random runs over ranks have the bits of one device.

use super::harness::{Run, bits};
use sparse_adam::AdamOptions;
use sparse_adam_mpi::Sums;
use sparse_adam_testkit::Rng;

fn compare(seed: u64, runs: u32, options: fn(&mut Rng) -> AdamOptions, sums: Sums) {
    let mut rng = Rng(seed);
    for number in 0..runs {
        let ranks = 1 + number % 7;
        let run = Run::draw(&mut rng, ranks as usize, options);
        let (found, expected) = (run.over_ranks(ranks, sums), run.on_one_device());
        assert_eq!(found.len(), expected.len());
        for (table, (found, expected)) in run.tables.iter().zip(found.iter().zip(&expected)) {
            assert!(bits(found) == bits(expected), "run {number} of {ranks} ranks: {table:?}");
        }
    }
}

#[test]
fn of_torchs_sparse_adam() {
    compare(1, 28, |_| AdamOptions::default().lr(0.01), Sums::Entries);
}

#[test]
fn of_any_rule() {
    let any = |rng: &mut Rng| rng.rule(AdamOptions::default().lr(0.01));
    compare(2, 14, any, Sums::Entries);
}

/// Rules that do not look at entries.
fn of_sums(rng: &mut Rng) -> AdamOptions {
    let options = rng.rule(AdamOptions::default().lr(0.01));
    options.duplicates(sparse_adam::Reduction::Sum)
}

#[test]
fn with_sums_of_chunks() {
    compare(3, 21, |_| AdamOptions::default().lr(0.01), Sums::Chunks);
    compare(4, 7, of_sums, Sums::Chunks);
}
