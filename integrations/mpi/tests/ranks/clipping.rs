//! Gradients clipped by their norm over ranks: the norm, and the bits, of one device.

use super::harness::{Run, bits, gpu, optimizer, ranks, whole};
use pollster::block_on;
use sparse_adam::{AdamOptions, ClipGradNorm, Error as CoreError, NormType};
use sparse_adam_mpi::{Error, Gradient, ShardedTable, Sums, Values, Whole, World};
use sparse_adam_testkit::Rng;
use sparse_adam_testkit::campaign::fresh_seed;

fn any_rule(rng: &mut Rng) -> AdamOptions {
    rng.rule(AdamOptions::default().lr(0.01))
}

fn plain(_: &mut Rng) -> AdamOptions {
    AdamOptions::default().lr(0.01)
}

fn drawn(rng: &mut Rng, ranks: u32, options: fn(&mut Rng) -> AdamOptions) -> Run {
    let norm_type = [NormType::Two, NormType::One, NormType::Infinity][rng.below(3)];
    let most = 10f64.powf(3.0 * rng.fraction() - 1.0);
    let mut run = Run::draw(rng, ranks as usize, options);
    run.clip = Some(ClipGradNorm::new(most).norm_type(norm_type));
    run
}

/// What all ranks make of a run, and the norm of the last step that each of them knows.
fn over_ranks(run: &Run, count: u32, sums: Sums) -> (Vec<Whole>, Vec<u32>) {
    let ended = World::run(ranks(count), |end| {
        let mut optimizer = optimizer(end).sums(sums);
        let ids = run.add_to(&mut optimizer, |assign| assign).unwrap();
        run.steps(&mut optimizer, &ids, 0..run.steps.len()).unwrap();
        let norm = block_on(optimizer.core().grad_norm()).unwrap();
        (whole(&mut optimizer, &ids).unwrap(), norm.to_bits())
    });
    let (mut wholes, norms): (Vec<_>, Vec<_>) = ended.into_iter().unzip();
    (wholes.swap_remove(0), norms)
}

fn compare(runs: u32, options: fn(&mut Rng) -> AdamOptions, sums: Sums) {
    let seed = fresh_seed();
    let mut rng = Rng(seed);
    for number in 0..runs {
        let count = 1 + number % 7;
        let run = drawn(&mut rng, count, options);
        let (found, norms) = over_ranks(&run, count, sums);
        let norm = block_on(run.core_on_one_device().0.grad_norm()).unwrap();
        let what = format!("{count} ranks, run {number} of seed {seed}, {:?}", run.clip);
        assert!(norms.iter().all(|&found| found == norm.to_bits()), "{norm}: {what}");
        for (found, expected) in found.iter().zip(&run.on_one_device()) {
            assert!(bits(found) == bits(expected), "{what}");
        }
    }
}

#[test]
fn has_the_norm_and_the_bits_of_one_device() {
    compare(7, plain, Sums::Entries);
    // Kernels of another rule take seconds to compile.
    compare(3, any_rule, Sums::Entries);
}

#[test]
fn has_them_with_sums_of_chunks() {
    compare(7, plain, Sums::Chunks);
}

/// Of sums of ranks, the norm is that of the sums: the same in every run, near one device's.
#[test]
fn of_sums_of_ranks_the_norm_differs_by_rounding_alone() {
    let seed = fresh_seed();
    let mut rng = Rng(seed);
    for number in 0..6 {
        let count = 2 + number % 3;
        let run = drawn(&mut rng, count, plain);
        let [found, again] = [(); 2].map(|()| over_ranks(&run, count, Sums::Ranks));
        assert_eq!(found.1, again.1, "seed {seed}");
        for (found, again) in found.0.iter().zip(&again.0) {
            assert!(bits(found) == bits(again), "seed {seed}");
        }
        let norm = block_on(run.core_on_one_device().0.grad_norm()).unwrap();
        let found = f32::from_bits(found.1[0]);
        assert!((found - norm).abs() <= 1e-5 * norm, "{found}, expected {norm}, seed {seed}");
    }
}

/// Given behind lookups; values that are not finite, on one rank, have a norm on all.
#[test]
fn an_infinity_of_one_rank_is_all_ranks_norm() {
    World::run(ranks(3), |end| {
        let mut optimizer = optimizer(end);
        let table = ShardedTable::new("t", 10, &[2], |row, out| out.fill(row as f32));
        let group = optimizer.add_group(AdamOptions::default(), vec![table]).unwrap();
        let id = optimizer.core().group_params(group).unwrap()[0];
        optimizer.set_clip_grad_norm(Some(ClipGradNorm::new(1.0))).unwrap();
        for (value, expected) in [(f32::INFINITY, f32::INFINITY), (f32::NAN, f32::NAN), (4.0, 6.0)]
        {
            let value = if optimizer.rank() == 1 { value } else { 1.0 };
            let own = [i64::from(optimizer.rank())];
            let asked = optimizer.ask(&[(id, &own)]).unwrap();
            let looked = optimizer.rows(asked).unwrap();
            let values = gpu().upload("v", &[value; 2]);
            optimizer.give(looked, &[Values::rows(&values)]).unwrap();
            optimizer.step(&[]).unwrap();
            let norm = block_on(optimizer.core().grad_norm()).unwrap();
            assert!(norm == expected || norm.is_nan() && expected.is_nan(), "{norm} {expected}");
        }
    });
}

#[test]
fn ranks_that_clip_otherwise_are_told_so() {
    World::run(ranks(2), |end| {
        let mut optimizer = optimizer(end);
        let table = ShardedTable::new("t", 10, &[2], |_, out| out.fill(0.5));
        let group = optimizer.add_group(AdamOptions::default(), vec![table]).unwrap();
        let id = optimizer.core().group_params(group).unwrap()[0];
        let refused = optimizer.set_clip_grad_norm(Some(ClipGradNorm::new(0.0)));
        assert!(matches!(refused, Err(Error::Core(CoreError::InvalidOption { .. }))));
        let clips = [Some(ClipGradNorm::new(1.0)), None];
        let gradient = Gradient { ids: &[3], values: &[1.0; 2] };
        optimizer.set_clip_grad_norm(clips[optimizer.rank() as usize]).unwrap();
        let stepped = optimizer.step(&[(id, gradient)]);
        assert!(matches!(stepped, Err(Error::Disagree { .. })), "{stepped:?}");
        optimizer.set_clip_grad_norm(clips[0]).unwrap();
        assert_eq!(optimizer.step(&[(id, gradient)]), Ok(()));
        assert_eq!(optimizer.core().step_count(id), Ok(1));
    });
}
