//! Random runs over ranks have the bits of one device.

use super::harness::{Run, bits};
use sparse_adam::AdamOptions;
use sparse_adam_mpi::Sums;
use sparse_adam_testkit::Rng;
use sparse_adam_testkit::campaign::fresh_seed;

fn compare(seed: u64, runs: u32, options: fn(&mut Rng) -> AdamOptions, sums: Sums) {
    compare_several(seed, (runs, 1), options, sums);
}

fn compare_several(
    seed: u64,
    (runs, gradients): (u32, usize),
    options: fn(&mut Rng) -> AdamOptions,
    sums: Sums,
) {
    let mut rng = Rng(seed);
    for number in 0..runs {
        let ranks = 1 + number % 7;
        let run = Run::draw_several(&mut rng, (ranks as usize, gradients), options);
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

/// Of a table and step, the entries of the second gradient follow those of the first over all ranks.
#[test]
fn of_several_gradients_in_a_step() {
    let seed = fresh_seed();
    eprintln!("seed {seed}");
    let options = |_: &mut Rng| AdamOptions::default().lr(0.01);
    compare_several(seed, (7, 2), options, Sums::Entries);
    compare_several(seed, (7, 3), options, Sums::Chunks);
}

/// Sums of ranks: the bits of one device on one rank; on more, the same in every run, and as near as sums in another
/// order are.
#[test]
fn sums_of_ranks_differ_by_rounding_alone() {
    compare_one(fresh_seed());
    let mut rng = Rng(fresh_seed());
    let mut differ = 0;
    for number in 0..12 {
        let ranks = 2 + number % 6;
        let run = Run::draw(&mut rng, ranks as usize, |_| AdamOptions::default().lr(0.01));
        let (found, again) =
            (run.over_ranks(ranks, Sums::Ranks), run.over_ranks(ranks, Sums::Ranks));
        for ((found, again), expected) in found.iter().zip(&again).zip(&run.on_one_device()) {
            assert!(bits(found) == bits(again), "run {number}: another result in another run");
            differ += u32::from(bits(found) != bits(expected));
            let Some((found, expected)) = found.state.as_ref().zip(expected.state.as_ref()) else {
                continue;
            };
            for (found, expected) in found.exp_avg.iter().zip(&expected.exp_avg) {
                assert!((found - expected).abs() <= 1e-5, "{found}, expected {expected}");
            }
        }
    }
    assert!(differ > 0, "the sums of ranks were never another device's");
}

fn compare_one(seed: u64) {
    let mut rng = Rng(seed);
    for number in 0..6 {
        let run = Run::draw(&mut rng, 1, of_sums);
        for (found, expected) in run.over_ranks(1, Sums::Ranks).iter().zip(&run.on_one_device()) {
            assert!(bits(found) == bits(expected), "run {number} of seed {seed} on one rank");
        }
    }
}
