//! What the GPU counts, beside what it writes: both equal the twin's.

use sparse_adam::reference::{self, Gradient};
use sparse_adam::{
    AdamOptions, CHUNK, Duplicates, IndexDtype, NonFinite, Param, SparseAdam, SparseGrad, Status,
};
use sparse_adam_testkit::{Pair, Rng, encode, variants};
use wgpu::CommandEncoderDescriptor;

const FORMATS: [IndexDtype; 3] = [IndexDtype::U32, IndexDtype::I32, IndexDtype::I64];

/// A gradient of which two thirds name `padding`, and a few nothing, in no order.
fn padded(rng: &mut Rng, rows: usize, dim: usize, nnz: usize, padding: u32) -> Gradient<f32> {
    let mut grad = rng.gradient(rows, dim, nnz);
    for index in &mut grad.indices {
        match rng.below(30) {
            0 => *index = rows as i64 + rng.below(3) as i64,
            roll if roll < 20 => *index = padding.into(),
            _ => {}
        }
    }
    grad
}

fn sum(counts: &[Status]) -> [u32; 6] {
    let mut sum = [0; 6];
    for status in counts {
        let Status { out_of_range, bad_value_row, non_finite, repeated, .. } = *status;
        let own = [out_of_range, bad_value_row, non_finite, repeated, status.padding];
        sum.iter_mut().zip(own).for_each(|(sum, count)| *sum += count);
        sum[5] += status.over_capacity;
    }
    sum
}

#[test]
fn padding_gets_no_gradient_and_is_no_mistake() {
    for on in variants() {
        // Steps that are ingested in one dispatch, and others.
        for (case, (rows, dim, nnz)) in
            [(40, 8, 300), (1, 1, 9), (900, 6, 5000), (64, 3, 1024)].into_iter().enumerate()
        {
            let mut rng = Rng(1000 + case as u64);
            let mut pair = Pair::single(on, rows, dim, &mut rng);
            let mut counts = Vec::new();
            for padding in [0, rows as u32 - 1, rows as u32 / 2] {
                let same = padded(&mut rng, rows, dim, nnz, padding);
                let before = pair.table(0);
                let format = FORMATS[rng.below(3)];
                let grad = pair.sparse_grad(&same, format).padding_idx(padding);
                pair.optimizer.set_grad(pair.ids[0], grad).unwrap();
                let (twin, options) = (&mut pair.twins[0], &pair.options[0]);
                counts.push(reference::step_with_padding(twin, &same, padding, options));
                pair.submit_step();
                let after = pair.table(0);
                let row = padding as usize * dim..(padding as usize + 1) * dim;
                assert_eq!(before.param[row.clone()], after.param[row.clone()]);
                assert_eq!(before.exp_avg[row.clone()], after.exp_avg[row]);
            }
            let what = format!("padding, {rows} x {dim}, {:?}", on.1.form);
            pair.assert_equal(&what);
            assert_eq!(sum(&[pair.status(0)]), sum(&counts), "{what}");
            assert!(counts.iter().all(|status| status.padding > 0));
        }
    }
}

#[test]
fn padding_alone_is_a_clean_step_that_only_counts() {
    for on in variants() {
        let mut pair = Pair::single(on, 10, 4, &mut Rng(5));
        let before = pair.table(0).param;
        let same = Gradient { indices: vec![3; 300], values: vec![1.0; 1200] };
        let grad = pair.sparse_grad(&same, IndexDtype::U32).padding_idx(3);
        pair.step_as(0, grad, &Gradient::default());
        pair.assert_equal("nothing but padding");
        assert_eq!(pair.table(0).param, before);
        let status = pair.status(0);
        assert_eq!(sum(&[status]), [0, 0, 0, 0, 300, 0]);
        assert!(status.is_clean(), "padding is no mistake");
    }
}

#[test]
fn padding_of_every_kind_of_gradient_is_left_out() {
    for on in variants() {
        for dim in [4, 5] {
            let mut rng = Rng(1020);
            let (rows, padding) = (50, 7);
            let mut pair = Pair::single(on, rows, dim, &mut rng);
            // Entries of padding may say what they like: values that are no numbers, value rows
            // that do not exist, rows that were promised to come once.
            let unique: Vec<i64> = (0..40).chain([7, 7, 7]).collect();
            let mut same =
                Gradient { values: rng.floats(unique.len() * dim), indices: unique.clone() };
            same.values[40 * dim] = f32::NAN;
            for duplicates in [Duplicates::None, Duplicates::NoneChecked] {
                let grad = pair.sparse_grad(&same, IndexDtype::I32).duplicates(duplicates);
                let grad = grad.non_finite(NonFinite::Counted).padding_idx(padding);
                pair.step_as(0, grad, &without(&same, dim, padding));
            }
            let mut map: Vec<u32> = (0..43).collect();
            map[41] = 4000;
            let (map_at, weights) = (pair.hold(&map), rng.floats(43));
            let weights_at = pair.hold(&weights);
            let grad = pair.sparse_grad(&same, IndexDtype::I64).value_map(map_at, 43);
            let grad = grad.weights(weights_at).padding_idx(padding);
            map[41] = 0;
            let values = reference::gather_values(&same.values, dim, &map, Some(&weights));
            let weighted = Gradient { indices: unique, values };
            pair.step_as(0, grad, &without(&weighted, dim, padding));
            let dense = rng.floats(rows * dim);
            let (indices, dense_at) = (encode(&[1, 7, 9, 7], IndexDtype::U32), pair.hold(&dense));
            let grad = SparseGrad::of_rows(pair.hold(&indices), dense_at, 4).padding_idx(padding);
            let values = reference::gather_values(&dense, dim, &[1, 9], None);
            pair.step_as(0, grad, &Gradient { indices: vec![1, 9], values });
            pair.assert_equal(&format!("padding of every kind, dim {dim}"));
            assert_eq!(sum(&[pair.status(0)]), [0, 0, 0, 0, 4 + 4 + 4 + 2, 0]);
        }
    }
}

/// A gradient without the entries of a row.
fn without(grad: &Gradient<f32>, dim: usize, row: u32) -> Gradient<f32> {
    let mut rest = Gradient::default();
    for (&index, values) in grad.indices.iter().zip(grad.values.chunks(dim)) {
        if index != i64::from(row) {
            rest.indices.push(index);
            rest.values.extend(values);
        }
    }
    rest
}

#[test]
fn accumulated_gradients_have_padding_of_their_own() {
    for on in variants() {
        let mut rng = Rng(1030);
        let mut pair = Pair::single(on, 30, 4, &mut rng);
        let (first, second) = (padded(&mut rng, 30, 4, 200, 2), padded(&mut rng, 30, 4, 100, 2));
        let grad = pair.sparse_grad(&first, IndexDtype::I64).padding_idx(2);
        pair.optimizer.set_grad(pair.ids[0], grad).unwrap();
        let grad = pair.sparse_grad(&second, IndexDtype::U32);
        pair.optimizer.accumulate_grad(pair.ids[0], grad).unwrap();
        pair.submit_step();
        let mut all = without(&first, 4, 2);
        let padding = (first.indices.len() - all.indices.len()) as u32;
        all.indices.extend(&second.indices);
        all.values.extend(&second.values);
        let refused = reference::step(&mut pair.twins[0], &all, &pair.options[0]);
        pair.assert_equal("accumulated padding");
        assert_eq!(sum(&[pair.status(0)]), [refused.out_of_range, 0, 0, 0, padding, 0]);
    }
}

#[test]
fn with_several_axes_the_padding_is_the_flattened_row() {
    for (gpu, tuning) in variants() {
        let mut rng = Rng(1040);
        let param = gpu.upload("p", &rng.floats(6 * 7 * 4));
        let mut optimizer =
            SparseAdam::with_tuning(&gpu.device, &gpu.queue, AdamOptions::default(), tuning)
                .unwrap();
        let id = optimizer.add_param(Param::new("p", &param, [6, 7, 4]).sparse_dim(2)).unwrap();
        // Rows 16, 16 and 17 of 7 columns.
        let indices = gpu.upload("indices", &[2u32, 2, 2, 2, 2, 3]);
        let values = gpu.upload("values", &rng.floats(12));
        optimizer.set_grad(id, SparseGrad::new(&indices, &values, 3).padding_idx(16)).unwrap();
        let before: Vec<f32> = pollster::block_on(gpu.read(&param)).unwrap();
        gpu.submit(|encoder| optimizer.step(encoder)).unwrap();
        let after: Vec<f32> = pollster::block_on(gpu.read(&param)).unwrap();
        let moved: Vec<_> = (0..168).filter(|&i| before[i] != after[i]).map(|i| i / 4).collect();
        assert_eq!(moved, [17; 4]);
        let status = pollster::block_on(optimizer.status(id)).unwrap();
        assert_eq!(sum(&[status]), [0, 0, 0, 0, 2, 0]);
    }
}

#[test]
fn a_count_above_the_capacity_is_reported_and_what_fits_is_used() {
    for on in variants() {
        for nnz in [1, 300, 5000] {
            let mut rng = Rng(1050);
            let mut pair = Pair::single(on, 50, 6, &mut rng);
            let mut expected = 0;
            for count in [nnz as u32, nnz as u32 + 1, 0, u32::MAX, nnz as u32 - 1] {
                let full = rng.gradient(50, 6, nnz);
                let held = pair.hold(&[count]);
                let grad = pair.sparse_grad(&full, IndexDtype::U32).count(held);
                let live = nnz.min(count as usize);
                let same = Gradient {
                    indices: full.indices[..live].to_vec(),
                    values: full.values[..live * 6].to_vec(),
                };
                pair.step_as(0, grad, &same);
                expected += u32::from(count > nnz as u32);
                let status = pair.status(0);
                assert_eq!(sum(&[status]), [0, 0, 0, 0, 0, expected], "count {count} of {nnz}");
                assert_eq!(status.is_clean(), expected == 0);
            }
            pair.assert_equal("counts above the capacity");
        }
    }
}

#[test]
fn each_accumulated_count_has_its_own_capacity() {
    for on in variants() {
        let mut rng = Rng(1060);
        let mut pair = Pair::single(on, 50, 3, &mut rng);
        let mut all = Gradient::default();
        for (nnz, count) in [(20, 21u32), (30, 30), (40, 90)] {
            let full = rng.gradient(50, 3, nnz);
            let held = pair.hold(&[count]);
            let grad = pair.sparse_grad(&full, IndexDtype::I64).count(held);
            pair.optimizer.accumulate_grad(pair.ids[0], grad).unwrap();
            all.indices.extend(&full.indices);
            all.values.extend(&full.values);
        }
        reference::step(&mut pair.twins[0], &all, &pair.options[0]);
        pair.submit_step();
        pair.assert_equal("accumulated counts");
        assert_eq!(pair.status(0).over_capacity, 2);
    }
}

#[test]
fn counters_start_anew_where_the_encoder_says_so() {
    for on in variants() {
        let mut rng = Rng(1070);
        let mut pair = Pair::new(on, &[(20, 4), (20, 4)], &[AdamOptions::default(); 2], &mut rng);
        let outside =
            |count: usize| Gradient { indices: vec![20; count], values: vec![1.0; 4 * count] };
        pair.set_grad(0, &outside(CHUNK as usize));
        pair.set_grad(1, &outside(5));
        let descriptor = CommandEncoderDescriptor { label: Some("a reset between steps") };
        let mut encoder = pair.gpu.device.create_command_encoder(&descriptor);
        pair.optimizer.step(&mut encoder).unwrap();
        pair.optimizer.reset_status(pair.ids[0], &mut encoder).unwrap();
        pair.set_grad(0, &outside(7));
        pair.optimizer.step(&mut encoder).unwrap();
        // Nothing happens before the encoder is submitted.
        assert!(pair.status(0).is_clean());
        pair.gpu.queue.submit([encoder.finish()]);
        assert_eq!([0, 1].map(|table| pair.status(table).out_of_range), [7, 10]);
        let (optimizer, id) = (&pair.optimizer, pair.ids[1]);
        pair.gpu.submit(|encoder| optimizer.reset_status(id, encoder)).unwrap();
        assert_eq!(pair.status(1), Status::default());
        assert_eq!(pair.status(0).out_of_range, 7);
    }
}

#[test]
fn a_step_that_was_never_submitted_is_taken_back() {
    for on in variants() {
        let mut rng = Rng(1080);
        let mut pair = Pair::single(on, 40, 6, &mut rng);
        let id = pair.ids[0];
        let descriptor = CommandEncoderDescriptor { label: Some("dropped") };
        for steps in 0..3 {
            // The first is dropped before there are moments.
            pair.set_grad(0, &rng.gradient(40, 6, 300));
            let mut encoder = pair.gpu.device.create_command_encoder(&descriptor);
            pair.optimizer.step(&mut encoder).unwrap();
            drop(encoder);
            assert_eq!(pair.optimizer.step_count(id), Ok(steps + 1));
            pair.optimizer.set_step_count(id, steps).unwrap();
            pair.step(&[Some(rng.gradient(40, 6, 300))]);
            pair.assert_equal("after a dropped step");
        }
        // A count ahead of the first gradient, as of a model trained elsewhere without moments.
        let mut late = Pair::single(on, 40, 6, &mut rng);
        late.optimizer.set_step_count(late.ids[0], 1000).unwrap();
        late.twins[0].step = 1000;
        late.step(&[Some(rng.gradient(40, 6, 300))]);
        late.assert_equal("a count that was set");
    }
}
