//! Orders of calls, and runs, as long programs bring them: what a step keeps from the last must not
//! outlive what has changed since.

use super::rules_in_use::has_state_of;
use sparse_adam::reference::Gradient;
use sparse_adam::{AdamOptions, Duplicates, IndexDtype};
use sparse_adam_testkit::campaign::fresh_seed;
use sparse_adam_testkit::{Pair, Poisoned, Rng, variants};

/// A run that takes three levels of sums, weighted or not, in lanes of every width.
#[test]
fn runs_of_three_levels_equal_their_twins() {
    for on in variants() {
        for (dim, weighted) in [(1, false), (2, true), (4, false)] {
            let mut rng = Rng(fresh_seed() + dim as u64);
            let mut pair = Pair::single(on, 9, dim, &mut rng);
            let nnz = 64 * 64 * 64 + 1 + rng.below(5000);
            let row = |rng: &mut Rng| if rng.below(1000) == 0 { rng.below(9) } else { 4 };
            let indices = (0..nnz).map(|_| row(&mut rng) as i64).collect();
            let mut same = Gradient { indices, values: rng.floats(nnz * dim) };
            let mut grad = pair.sparse_grad(&same, IndexDtype::U32);
            if weighted {
                let weights = rng.floats(nnz);
                grad = grad.weights(pair.hold(&weights));
                let rows = same.values.chunks_mut(dim).zip(weights);
                rows.for_each(|(row, weight)| row.iter_mut().for_each(|value| *value *= weight));
            }
            pair.step_as(0, grad, &same);
            pair.assert_equal(&format!("{nnz} entries, dim {dim}, weighted {weighted}"));
        }
    }
}

/// The same gradients step after step, while options turn round, tables move and room is let go of.
#[test]
fn what_changes_between_equal_steps_is_seen() {
    for (gpu, tuning) in variants() {
        let mut rng = Rng(fresh_seed());
        let shapes = [(300, 8), (90, 5), (4000, 1), (40, 300)];
        let options = [AdamOptions::default(); 4];
        let mut pair = Pair::new((gpu, tuning), &shapes, &options, &mut rng);
        let grads: Vec<_> =
            shapes.iter().map(|&(rows, dim)| rng.gradient(rows, dim, 200)).collect();
        for (table, grad) in grads.iter().enumerate() {
            pair.set_grad(table, grad);
        }
        for turn in 0..40 {
            let table = rng.below(shapes.len());
            match rng.below(6) {
                0 => pair.optimizer.trim(),
                1 => {
                    let held = pair.options[table];
                    let mut now = rng.options();
                    while !has_state_of(&now, &held) {
                        now = rng.options();
                    }
                    let group = pair.optimizer.group_of(pair.ids[table]).unwrap();
                    pair.optimizer.set_options(group, now).unwrap();
                    pair.options[table] = now;
                }
                2 => {
                    let held: Vec<f32> = pair.params[table].read(gpu);
                    let moved = Poisoned::new(gpu, &held);
                    let place = moved.region.clone();
                    pair.optimizer.replace_param(pair.ids[table], place).unwrap();
                    pair.params[table] = moved;
                }
                3 => {
                    let now = rng.below(1 << 20) as u64;
                    pair.optimizer.set_step_count(pair.ids[table], now).unwrap();
                    pair.twins[table].step = now;
                }
                4 => pair.optimizer.prepare().unwrap(),
                _ => {}
            }
            for (table, grad) in grads.iter().enumerate() {
                pair.step_twin(table, grad);
            }
            pair.submit_step();
            pair.assert_equal(&format!("turn {turn}"));
        }
    }
}

/// Tables of all widths and promises whose gradients come and go: each step's list is another.
#[test]
fn tables_that_come_and_go_equal_their_twins() {
    for on in variants() {
        let mut rng = Rng(fresh_seed());
        let shapes = [(70, 1), (200, 3), (90, 4), (64, 8), (33, 12), (50, 301), (500, 16)];
        let options = [(); 7].map(|()| rng.options());
        let mut pair = Pair::new(on, &shapes, &options, &mut rng);
        for turn in 0..25 {
            pair.optimizer.clear_grads();
            for (table, &(rows, dim)) in shapes.iter().enumerate() {
                match rng.below(4) {
                    0 => {}
                    1 => {
                        let mut indices: Vec<i64> = (0..rows as i64).collect();
                        indices.retain(|_| rng.below(3) == 0);
                        let values = rng.floats(indices.len() * dim);
                        let same = Gradient { indices, values };
                        let grad = pair.sparse_grad(&same, IndexDtype::I64);
                        let grad = grad.duplicates(Duplicates::None);
                        pair.optimizer.set_grad(pair.ids[table], grad).unwrap();
                        pair.step_twin(table, &same);
                    }
                    _ => {
                        let most = [3, 100, 1500][rng.below(3)];
                        let nnz = 1 + rng.below(most);
                        let same = rng.gradient(rows, dim, nnz);
                        pair.set_grad(table, &same);
                        pair.step_twin(table, &same);
                    }
                }
            }
            pair.submit_step();
            pair.assert_equal(&format!("turn {turn}"));
        }
        pair.assert_inputs_whole("come and go");
    }
}

/// Runs of every length around those that kernels treat apart, wherever they begin in a tile or a workgroup's list; few
/// entries, whose chunks update sums by itself, and more.
#[test]
fn runs_of_every_length_equal_their_twins() {
    const LENGTHS: [usize; 25] = [
        1, 2, 3, 4, 5, 7, 8, 9, 13, 16, 17, 31, 32, 33, 62, 63, 64, 65, 66, 127, 128, 129, 192,
        193, 449,
    ];
    let seed = fresh_seed();
    for on in variants() {
        for (dim, nnz) in [(1, 4096), (12, 4096), (40, 4095), (64, 4097), (37, 6000)] {
            let mut rng = Rng(seed ^ dim as u64);
            let mut order: Vec<usize> = (0..LENGTHS.len()).collect();
            for at in (1..order.len()).rev() {
                order.swap(at, rng.below(at + 1));
            }
            let of_run = |(row, &run): (usize, &usize)| vec![row as i64; LENGTHS[run]];
            let mut indices: Vec<i64> = order.iter().enumerate().flat_map(of_run).collect();
            // One run has all that is left.
            let hot = rng.below(LENGTHS.len()) as i64;
            indices.resize(nnz, hot);
            for at in (1..nnz).rev() {
                indices.swap(at, rng.below(at + 1));
            }
            let mut pair = Pair::single(on, LENGTHS.len(), dim, &mut rng);
            pair.step(&[Some(Gradient { indices, values: rng.floats(nnz * dim) })]);
            pair.assert_equal(&format!("seed {seed}: {nnz} entries, dim {dim}"));
        }
    }
}
