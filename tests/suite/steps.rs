//! Whole steps: runs around every border, the GPU's clock, several axes, few dispatches; and the twin itself.

use sparse_adam::reference::{self, Gradient, Table};
use sparse_adam::{
    AdamOptions, Duplicates, IndexDtype, Param, SparseGrad, TIMED_STAGES, Timestamps, Tuning,
};
use sparse_adam_testkit::campaign::fresh_seed;
use sparse_adam_testkit::headless::Gpu;
use sparse_adam_testkit::{Pair, Poisoned, Rng, assert_tensor, encode, gpus, variants};
use wgpu::{BufferDescriptor, BufferUsages, Features, QuerySet, QuerySetDescriptor, QueryType};

/// A gradient whose rows have runs of the given lengths, in no order.
fn runs(rng: &mut Rng, rows: usize, dim: usize, lengths: &[usize]) -> Gradient<f32> {
    let mut indices = Vec::new();
    let mut row = rng.below(3);
    for &length in lengths {
        indices.extend(std::iter::repeat_n(row as i64, length));
        row += 1 + rng.below(rows / lengths.len() - 1);
    }
    rng.shuffle(&mut indices);
    let values = rng.floats(indices.len() * dim);
    Gradient { indices, values }
}

#[test]
fn a_row_that_was_promised_once_and_comes_again_has_its_own_entries_alone() {
    // So wide that entries of the row are taken one after another, and not side by side, where the last one hides the others.
    const DIM: usize = 256;
    let often = 7;
    let lists = [
        vec![often, 20, often, 21, often],
        [vec![often; 100], vec![20]].concat(),
        [vec![20, 21], vec![often; 129], (22..39).collect()].concat(),
    ];
    for on in variants() {
        for (number, list) in lists.iter().enumerate() {
            let mut rng = Rng(750);
            let mut pair = Pair::single(on, 40, DIM, &mut rng);
            // Whatever is mixed of the row's own entries makes its values less; one of another's would make them more.
            let value = |row: i64| if row == often { 1.0 } else { -1e6 };
            let values = |rows: &[i64]| rows.iter().flat_map(|&row| [value(row); DIM]).collect();
            let all = Gradient { indices: list.clone(), values: values(list) };
            let others: Vec<_> = list.iter().copied().filter(|&row| row != often).collect();
            let others = Gradient { values: values(&others), indices: others };
            let before = pair.twins[0].param.clone();
            let grad = pair.sparse_grad(&all, IndexDtype::U32).duplicates(Duplicates::None);
            pair.step_as(0, grad, &others);
            let mut found = pair.table(0);
            let row = often as usize * DIM..(often as usize + 1) * DIM;
            let pairs = found.param[row.clone()].iter().zip(&before[row.clone()]);
            assert!(pairs.into_iter().all(|(after, before)| after < before), "list {number}");
            found.param[row.clone()].copy_from_slice(&before[row]);
            assert_tensor(on, "other rows", &found.param, &pair.twins[0].param);
        }
    }
}

/// Tables of different dims lie in one dispatch, each with its lanes and hot rows.
#[test]
fn hot_tables_of_many_dims_equal_their_twins_whatever_shares_a_row() {
    let shapes = [(9, 4), (5, 8), (3, 300), (7, 1024), (4, 20), (6, 768), (2, 64), (3, 4)];
    let cuts = [(256, 32, 64), (8, 8, 64), (256, 256, 256), (64, 1, 256), (16, 16, 1)];
    let mut rng = Rng(fresh_seed());
    for gpu in gpus() {
        let mut tuning = Tuning::GPU;
        (tuning.workgroup, tuning.max_lanes, tuning.update_tile) = cuts[rng.below(cuts.len())];
        let options = [AdamOptions::default(); 8];
        let mut pair = Pair::new((gpu, tuning), &shapes, &options, &mut rng);
        for nnz in [700, 65, 4096] {
            let grads = shapes.map(|(rows, dim)| Some(rng.gradient(rows, dim, nnz)));
            pair.step(&grads);
            pair.assert_equal(&format!("{nnz} entries, {tuning:?}"));
        }
    }
}

#[test]
fn runs_around_every_border_equal_their_twins() {
    // Around CHUNK, its multiples and its square, and in steps that take each way: small or
    // not, with chunks summed in the update or before it. Steps follow each other, so that what
    // one leaves in the scratch lies under the next.
    let steps: [&[usize]; 7] = [
        &[1, 2, 62, 63, 64, 65, 66, 127, 128, 129],
        &[1; 9],
        &[191, 192, 193, 1, 1, 300, 64, 64, 64],
        &[1025, 63, 64, 1, 1, 640],
        &[4095, 1, 4096, 64, 4097, 63],
        &[1, 63, 64, 65, 127, 128, 129, 4095, 4096, 4097, 4160, 8192, 8193],
        &[1, 1, 1, 130, 1, 1, 1],
    ];
    for on in variants() {
        for dim in [1, 4, 6, 8, 24] {
            let mut rng = Rng(700 + dim as u64);
            let mut pair = Pair::single(on, 700, dim, &mut rng);
            for lengths in steps {
                pair.step(&[Some(runs(&mut rng, 700, dim, lengths))]);
            }
            pair.assert_equal(&format!("runs, dim {dim}, {:?}", on.1.form));
        }
    }
}

/// A step of the pair with the GPU's clock: begin and end of each stage.
fn timed_step(pair: &mut Pair, queries: &QuerySet) -> Vec<u64> {
    let count = 2 * TIMED_STAGES.len() as u32;
    let resolved = pair.gpu.device.create_buffer(&BufferDescriptor {
        label: None,
        size: 8 * u64::from(count),
        usage: BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC,
        mapped_at_creation: false,
    });
    let (gpu, optimizer) = (pair.gpu, &mut pair.optimizer);
    gpu.submit(|encoder| {
        let timestamps = Timestamps::new(queries, 1);
        optimizer.step_with_timestamps(encoder, timestamps)?;
        encoder.resolve_query_set(queries, 1..1 + count, &resolved, 0);
        Ok(())
    })
    .unwrap();
    pollster::block_on(gpu.read::<u64>(&resolved)).unwrap()
}

#[test]
fn a_timed_step_gives_the_same_bits_and_a_clock_that_goes_forward() {
    for (gpu, tuning) in variants() {
        if !gpu.device.features().contains(Features::TIMESTAMP_QUERY) {
            continue;
        }
        let queries = gpu.device.create_query_set(&QuerySetDescriptor {
            label: None,
            ty: QueryType::Timestamp,
            count: 1 + 2 * TIMED_STAGES.len() as u32,
        });
        let mut rng = Rng(91);
        let mut pair = Pair::single((gpu, tuning), 400, 8, &mut rng);
        let grad = rng.gradient(400, 8, 5000);
        pair.set_grad(0, &grad);
        reference::step(&mut pair.twins[0], &grad, &pair.options[0]);
        let mut ticks = timed_step(&mut pair, &queries);
        // A step that only counts is timed too.
        pair.optimizer.zero_grad(false);
        reference::step(&mut pair.twins[0], &Gradient::default(), &pair.options[0]);
        ticks.extend(timed_step(&mut pair, &queries));
        assert!(ticks.is_sorted() && ticks[7] < ticks[8], "{}: {ticks:?}", gpu.describe());
        pair.assert_equal("timed steps");
    }
}

#[test]
fn the_twin_is_near_the_formula_in_f64() {
    // Stated bound: a step moves a value by step_size * m / (sqrt(v) + eps), at most about lr
    // per step in size; every f32 operation errs by half a unit in the last place.
    let mut rng = Rng(7);
    let (rows, dim) = (200, 5);
    let options = AdamOptions::default();
    let param = rng.floats(rows * dim);
    let mut truth = Table::new(param.iter().map(|&x| f64::from(x)).collect(), dim);
    let mut twin = Table::new(param, dim);
    for _ in 0..50 {
        let grad = rng.gradient(rows, dim, 400);
        let wide = Gradient {
            indices: grad.indices.clone(),
            values: grad.values.iter().map(|&x| f64::from(x)).collect(),
        };
        reference::step(&mut twin, &grad, &options);
        reference::step_f64(&mut truth, &wide, &options);
    }
    let near = |found: &[f32], expected: &[f64], bound: f64| {
        for (found, expected) in found.iter().zip(expected) {
            let apart = (f64::from(*found) - expected).abs();
            assert!(apart <= bound * expected.abs().max(1.0), "{found} {expected}");
        }
    };
    near(&twin.exp_avg, &truth.exp_avg, 2e-5);
    near(&twin.exp_avg_sq, &truth.exp_avg_sq, 2e-5);
    near(&twin.param, &truth.param, 1e-5);
}

/// A table of fixed seed after one step of `grad`.
fn after_one_step(
    on: (&'static Gpu, Tuning),
    shape: (usize, usize),
    grad: &Gradient<f32>,
) -> Table<f32> {
    let mut pair = Pair::single(on, shape.0, shape.1, &mut Rng(5));
    pair.step(&[Some(grad.clone())]);
    pair.table(0)
}

#[test]
fn permuting_entries_of_different_rows_changes_nothing() {
    for on in variants() {
        let (rows, dim, nnz) = (50, 6, 3000);
        let mut rng = Rng(31);
        let grad = rng.gradient(rows, dim, nnz);
        // Rows in a random order, each row's entries in their own.
        let mut row_order: Vec<usize> = (0..rows).collect();
        (1..rows).rev().for_each(|i| row_order.swap(i, rng.below(i + 1)));
        let mut entries: Vec<usize> = (0..nnz).collect();
        entries.sort_by_key(|&entry| row_order[grad.indices[entry] as usize]);
        let permuted = Gradient {
            indices: entries.iter().map(|&entry| grad.indices[entry]).collect(),
            values: entries
                .iter()
                .flat_map(|&entry| &grad.values[entry * dim..][..dim])
                .copied()
                .collect(),
        };
        let expected = after_one_step(on, (rows, dim), &grad);
        assert_eq!(expected, after_one_step(on, (rows, dim), &permuted));
    }
}

#[test]
fn two_axes_are_one_row() {
    for (gpu, tuning) in variants() {
        let mut rng = Rng(71);
        let (a, b, dim, nnz) = (6, 7, 5, 60);
        let values = rng.floats(a * b * dim);
        let param = Poisoned::new(gpu, &values);
        let defaults = AdamOptions::default();
        let mut optimizer = gpu.optimizer(defaults, tuning).unwrap();
        let shape = [a as u32, b as u32, dim as u32];
        let id = optimizer
            .add_param(Param::new("p", param.region.clone(), shape).sparse_dim(2))
            .unwrap();
        let first: Vec<i64> = (0..nnz).map(|_| rng.below(a) as i64).collect();
        // One entry is outside its own axis, though its row would be inside the table.
        let mut second: Vec<i64> = (0..nnz).map(|_| rng.below(b) as i64).collect();
        second[5] = b as i64;
        let rows = first.iter().zip(&second).map(
            |(&i, &j)| {
                if j < b as i64 { i * b as i64 + j } else { -1 }
            },
        );
        let grad = Gradient { indices: rows.collect(), values: rng.floats(nnz * dim) };
        let indices = Poisoned::new(gpu, &encode(&[first, second].concat(), IndexDtype::I64));
        let value_rows = Poisoned::new(gpu, &grad.values);
        let set = SparseGrad::new(indices.region.clone(), value_rows.region.clone(), nnz as u32);
        optimizer.set_grad(id, set.index_dtype(IndexDtype::I64)).unwrap();
        gpu.submit(|encoder| optimizer.step(encoder)).unwrap();
        let mut twin = Table::new(values, dim);
        reference::step(&mut twin, &grad, &defaults);
        assert_tensor((gpu, tuning), "two axes", &param.read::<f32>(gpu), &twin.param);
        assert_eq!(pollster::block_on(optimizer.status(id)).unwrap().out_of_range, 1);
    }
}

#[test]
fn a_small_step_takes_two_dispatches_on_a_gpu() {
    for (gpu, _) in variants() {
        let mut rng = Rng(81);
        let mut pair = Pair::single((gpu, Tuning::GPU), 5000, 8, &mut rng);
        for nnz in [1, 2, 3, 64, 500, 1024, 1025, 4096] {
            pair.step(&[Some(rng.gradient(5000, 8, nnz))]);
            assert_eq!(pair.optimizer.dispatches(), 2, "{nnz}");
        }
        pair.assert_equal("small steps");
    }
}
