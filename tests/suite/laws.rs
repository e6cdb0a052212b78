//! Laws that hold for every input, on random seeded ones.

use sparse_adam::reference::{self, Gradient, Table};
use sparse_adam::{AdamOptions, IndexDtype, TIMED_STAGES, Timestamps};
use sparse_adam_testkit::{Pair, Rng, variants};
use wgpu::{BufferDescriptor, BufferUsages, Features, QuerySet, QuerySetDescriptor, QueryType};

#[test]
fn gpu_equals_twin() {
    let dims = [1, 2, 3, 4, 7, 8, 16, 37, 64, 100, 132, 260];
    let sizes = [1, 2, 63, 64, 65, 200, 1023, 1024, 1025, 4097];
    for on in variants() {
        for (seed, &dim) in dims.iter().enumerate() {
            let mut rng = Rng(seed as u64);
            let rows = 1 + rng.below(3000);
            let options = rng.options();
            let mut pair = Pair::new(on, &[(rows, dim)], &[options], &mut rng);
            for step in 0..3 {
                let nnz = sizes[(seed + 3 * step) % sizes.len()];
                pair.step(&[Some(rng.gradient(rows, dim, nnz))]);
            }
            pair.assert_equal(&format!("seed {seed}, {rows} x {dim}, {:?}", on.1.form));
        }
    }
}

/// A gradient whose rows have runs of the given lengths, in no order.
fn runs(rng: &mut Rng, rows: usize, dim: usize, lengths: &[usize]) -> Gradient<f32> {
    let mut indices = Vec::new();
    let mut row = rng.below(3);
    for &length in lengths {
        indices.extend(std::iter::repeat_n(row as i64, length));
        row += 1 + rng.below(rows / lengths.len() - 1);
    }
    for last in (1..indices.len()).rev() {
        indices.swap(last, rng.below(last + 1));
    }
    let values = rng.floats(indices.len() * dim);
    Gradient { indices, values }
}

#[test]
fn runs_around_every_border_equal_their_twins() {
    // Around CHUNK, its multiples and its square, and in steps that take each way: small or
    // not, with chunks summed in the update or before it. Steps follow each other, so that what
    // one leaves in the scratch lies under the next.
    let steps: [&[usize]; 6] = [
        &[1, 2, 62, 63, 64, 65, 66, 127, 128, 129],
        &[1; 9],
        &[191, 192, 193, 1, 1, 300, 64, 64, 64],
        &[1025, 63, 64, 1, 1, 640],
        &[4095, 1, 4096, 64, 4097, 63],
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
        let timestamps = Timestamps { query_set: queries, first: 1 };
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
fn many_tables_in_one_step_equal_their_twins() {
    for on in variants() {
        for seed in 0..4 {
            let mut rng = Rng(100 + seed);
            let shapes: Vec<_> = (0..9).map(|_| (1 + rng.below(500), 1 + rng.below(40))).collect();
            let options: Vec<_> = shapes.iter().map(|_| rng.options()).collect();
            let mut pair = Pair::new(on, &shapes, &options, &mut rng);
            for _ in 0..3 {
                let grads: Vec<_> = shapes
                    .iter()
                    .map(|&(rows, dim)| {
                        let nnz = rng.below(300);
                        (rng.below(4) > 0).then(|| rng.gradient(rows, dim, nnz))
                    })
                    .collect();
                pair.step(&grads);
            }
            pair.assert_equal(&format!("seed {seed}"));
        }
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

#[test]
fn rows_not_named_keep_their_bits() {
    for on in variants() {
        let mut rng = Rng(11);
        let (rows, dim) = (1000, 12);
        let mut pair = Pair::single(on, rows, dim, &mut rng);
        let before = pair.params[0].read::<u32>(pair.gpu);
        let mut grad = rng.gradient(rows, dim, 50);
        grad.indices.iter_mut().for_each(|index| *index |= 1);
        pair.step(&[Some(grad)]);
        let after = pair.params[0].read::<u32>(pair.gpu);
        let even =
            |bits: &[u32]| bits.chunks(dim).step_by(2).flatten().copied().collect::<Vec<_>>();
        assert_eq!(even(&before), even(&after));
        assert_ne!(before, after);
    }
}

/// A table of fixed seed after one step of `grad`.
fn after_one_step(
    on: (&'static sparse_adam_testkit::headless::Gpu, sparse_adam::Tuning),
    shape: (usize, usize),
    grad: &Gradient<f32>,
) -> Table<f32> {
    let mut pair = Pair::single(on, shape.0, shape.1, &mut Rng(5));
    pair.step(&[Some(grad.clone())]);
    pair.table(0)
}

#[test]
fn the_same_step_twice_gives_the_same_bits() {
    for on in variants() {
        let grad = Rng(21).gradient(300, 20, 5000);
        let first = after_one_step(on, (300, 20), &grad);
        for _ in 0..5 {
            assert_eq!(first, after_one_step(on, (300, 20), &grad));
        }
    }
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
fn adding_other_rows_or_tables_changes_no_bit_of_a_row() {
    for on in variants() {
        let (rows, dim) = (400, 24);
        let mut rng = Rng(41);
        let row = 123;
        let alone = Gradient { indices: vec![row; 700], values: rng.floats(700 * dim) };
        // The same entries in their order, in the midst of others.
        let mut crowd = Gradient::default();
        for entry in alone.values.chunks(dim) {
            for _ in 0..rng.below(6) {
                let other = rng.below(rows) as i64;
                crowd.indices.push(if other == row { 0 } else { other });
                crowd.values.extend(rng.floats(dim));
            }
            crowd.indices.push(row);
            crowd.values.extend(entry);
        }
        let expected = after_one_step(on, (rows, dim), &alone);
        let options = [AdamOptions::default(); 2];
        let mut pair = Pair::new(on, &[(rows, dim), (77, 3)], &options, &mut Rng(5));
        pair.step(&[Some(crowd), Some(rng.gradient(77, 3, 900))]);
        let found = pair.table(0);
        let at = row as usize * dim..(row as usize + 1) * dim;
        assert_eq!(expected.param[at.clone()], found.param[at.clone()]);
        assert_eq!(expected.exp_avg[at.clone()], found.exp_avg[at.clone()]);
        assert_eq!(expected.exp_avg_sq[at.clone()], found.exp_avg_sq[at]);
    }
}

#[test]
fn two_steps_in_one_encoder_equal_two_submits() {
    for on in variants() {
        let (rows, dim) = (200, 9);
        let (a, b) = (Rng(51).gradient(rows, dim, 300), Rng(52).gradient(rows, dim, 150));
        let mut separate = Pair::single(on, rows, dim, &mut Rng(5));
        let mut together = Pair::single(on, rows, dim, &mut Rng(5));
        let groups =
            [&separate, &together].map(|pair| pair.optimizer.group_of(pair.ids[0]).unwrap());
        let label = Some("two steps");
        let gpu = separate.gpu;
        let mut encoder =
            gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label });
        for (grad, lr) in [(&a, 0.1), (&b, 0.002)] {
            separate.optimizer.set_lr(groups[0], lr).unwrap();
            separate.set_grad(0, grad);
            separate.submit_step();
            together.optimizer.set_lr(groups[1], lr).unwrap();
            together.set_grad(0, grad);
            together.optimizer.step(&mut encoder).unwrap();
        }
        gpu.queue.submit([encoder.finish()]);
        assert_eq!(separate.table(0), together.table(0));
    }
}

#[test]
fn an_empty_gradient_only_counts_and_none_does_not() {
    for on in variants() {
        let mut pair = Pair::single(on, 30, 4, &mut Rng(5));
        pair.step(&[None]);
        assert_eq!(pair.table(0).step, 0);
        pair.step(&[Some(Gradient::default())]);
        pair.step(&[Some(Gradient::default())]);
        pair.assert_equal("empty gradients");
        assert_eq!(pair.table(0).step, 2);
        // Zeroed to an empty gradient, the next step counts; zeroed to none, it does not.
        pair.optimizer.zero_grad(false);
        pair.submit_step();
        assert_eq!(pair.table(0).step, 3);
        pair.optimizer.zero_grad(true);
        pair.submit_step();
        assert_eq!(pair.table(0).step, 3);
    }
}

#[test]
fn entries_outside_the_table_write_nothing_and_are_counted() {
    let far = [(IndexDtype::U32, [100, 0xffff_ffff]), (IndexDtype::I32, [100, -1])];
    let wide = [(IndexDtype::I64, [-1, 1 << 32]), (IndexDtype::I64, [100, i64::MIN])];
    for on in variants() {
        for (format, outside) in far.into_iter().chain(wide) {
            let mut rng = Rng(61);
            let mut pair =
                Pair::new(on, &[(100, 3), (5, 2)], &[AdamOptions::default(); 2], &mut rng);
            let mut grad = rng.gradient(100, 3, 40);
            for (entry, index) in outside.into_iter().enumerate() {
                grad.indices[7 * entry + 3] = index;
            }
            pair.set_grad_as(0, &grad, format);
            let refused = reference::step(&mut pair.twins[0], &grad, &pair.options[0]);
            pair.submit_step();
            pair.assert_equal("outside");
            let status = pollster::block_on(pair.optimizer.status(pair.ids[0])).unwrap();
            assert_eq!((status, status.out_of_range), (refused, 2));
            let other = pollster::block_on(pair.optimizer.status(pair.ids[1])).unwrap();
            assert!(other.is_clean());
        }
    }
}

#[test]
fn only_entries_outside_the_table_is_a_step_that_only_counts() {
    for on in variants() {
        let mut pair = Pair::single(on, 10, 4, &mut Rng(5));
        let grad = Gradient { indices: vec![-1; 300], values: vec![1.0; 1200] };
        pair.step(&[Some(grad)]);
        pair.assert_equal("only refused entries");
    }
}

#[test]
fn two_axes_are_one_row() {
    use sparse_adam::{Param, SparseAdam, SparseGrad};
    use sparse_adam_testkit::{Poisoned, assert_tensor, encode};
    for (gpu, tuning) in variants() {
        let mut rng = Rng(71);
        let (a, b, dim, nnz) = (6, 7, 5, 60);
        let values = rng.floats(a * b * dim);
        let param = Poisoned::new(gpu, &values);
        let defaults = AdamOptions::default();
        let mut optimizer =
            SparseAdam::with_tuning(&gpu.device, &gpu.queue, defaults, tuning).unwrap();
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
        assert_tensor(gpu, "two axes", &param.read::<f32>(gpu), &twin.param);
        assert_eq!(pollster::block_on(optimizer.status(id)).unwrap().out_of_range, 1);
    }
}

#[test]
fn a_small_step_takes_three_dispatches_on_a_gpu() {
    for (gpu, _) in variants() {
        let mut rng = Rng(81);
        let mut pair = Pair::single((gpu, sparse_adam::Tuning::GPU), 5000, 8, &mut rng);
        for nnz in [1, 2, 3, 64, 500, 1000, 1024] {
            pair.step(&[Some(rng.gradient(5000, 8, nnz))]);
            assert!(pair.optimizer.dispatches() <= 3, "{nnz}: {}", pair.optimizer.dispatches());
        }
        pair.assert_equal("small steps");
    }
}
