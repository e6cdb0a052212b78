//! What an engine needs: gradients born on the GPU, shared value rows, one pool buffer, and a
//! steady state that makes nothing.

use sparse_adam::reference::{self, Gradient, Table};
use sparse_adam::{
    AdamOptions, Duplicates, IndexDtype, NonFinite, Param, Region, SparseAdam, SparseGrad,
};
use sparse_adam_testkit::{Pair, Rng, assert_tensor, encode, variants};

/// Bags of random lengths: an index and a bag number an entry, and a value row a bag.
fn bags(rng: &mut Rng, rows: usize, dim: usize, bags: usize) -> (Gradient<f32>, Vec<u32>) {
    let (mut indices, mut map) = (Vec::new(), Vec::new());
    for bag in 0..bags {
        for _ in 0..rng.below(9) {
            indices.push(rng.below(rows) as i64);
            map.push(bag as u32);
        }
    }
    (Gradient { indices, values: rng.floats(bags * dim) }, map)
}

#[test]
fn entries_that_share_value_rows_equal_their_twin() {
    for on in variants() {
        for (seed, (dim, weighted)) in
            [(8, false), (8, true), (5, false), (5, true)].iter().enumerate()
        {
            let mut rng = Rng(200 + seed as u64);
            let rows = 60;
            let mut pair = Pair::single(on, rows, *dim, &mut rng);
            for _ in 0..2 {
                let (bag, map) = bags(&mut rng, rows, *dim, 150);
                let weights = rng.floats(map.len());
                let indices = pair.hold(&encode(&bag.indices, IndexDtype::U32));
                let values = pair.hold(&bag.values);
                let value_map = pair.hold(&map);
                let mut grad =
                    SparseGrad::new(indices, values, map.len() as u32).value_map(value_map, 150);
                if *weighted {
                    let weights = pair.hold(&weights);
                    grad = grad.weights(weights);
                }
                let weights = weighted.then_some(&*weights);
                let values = reference::gather_values(&bag.values, *dim, &map, weights);
                pair.step_as(0, grad, &Gradient { indices: bag.indices, values });
            }
            pair.assert_equal(&format!("bags, dim {dim}, weighted {weighted}"));
        }
    }
}

#[test]
fn weights_scale_plain_entries_too() {
    for on in variants() {
        let mut rng = Rng(211);
        let mut pair = Pair::single(on, 40, 4, &mut rng);
        let mut same = rng.gradient(40, 4, 500);
        let weights = rng.floats(500);
        let held = pair.hold(&weights);
        let grad = pair.sparse_grad(&same, IndexDtype::I64).weights(held);
        let map: Vec<u32> = (0..500).collect();
        same.values = reference::gather_values(&same.values, 4, &map, Some(&weights));
        pair.step_as(0, grad, &same);
        pair.assert_equal("weights");
    }
}

#[test]
fn value_rows_that_do_not_exist_are_refused_and_counted() {
    for on in variants() {
        let mut rng = Rng(221);
        let mut pair = Pair::single(on, 40, 4, &mut rng);
        let (bag, mut map) = bags(&mut rng, 40, 4, 30);
        map[3] = 30;
        map[7] = u32::MAX;
        let indices = pair.hold(&encode(&bag.indices, IndexDtype::U32));
        let values = pair.hold(&bag.values);
        let value_map = pair.hold(&map);
        let grad = SparseGrad::new(indices, values, map.len() as u32).value_map(value_map, 30);
        let mut same = Gradient::default();
        for (entry, &row) in map.iter().enumerate().filter(|(_, row)| **row < 30) {
            same.indices.push(bag.indices[entry]);
            same.values.extend(&bag.values[4 * row as usize..][..4]);
        }
        pair.step_as(0, grad, &same);
        pair.assert_equal("bad value rows");
        assert_eq!(pair.status(0).bad_value_row, 2);
    }
}

#[test]
fn rows_of_a_dense_gradient_count_once_each() {
    for on in variants() {
        for dim in [3, 8] {
            let mut rng = Rng(231);
            let rows = 70;
            let mut pair = Pair::single(on, rows, dim, &mut rng);
            let dense = rng.floats(rows * dim);
            let named: Vec<i64> = (0..200).map(|_| rng.below(rows / 2) as i64).collect();
            let indices = pair.hold(&encode(&named, IndexDtype::I32));
            let values = pair.hold(&dense);
            let grad = SparseGrad::of_rows(indices, values, 200).index_dtype(IndexDtype::I32);
            let mut once = named.clone();
            once.sort_unstable();
            once.dedup();
            let map: Vec<u32> = once.iter().map(|&row| row as u32).collect();
            let values = reference::gather_values(&dense, dim, &map, None);
            pair.step_as(0, grad, &Gradient { indices: once, values });
            pair.assert_equal("rows of a dense gradient");
        }
    }
}

#[test]
fn the_entry_count_may_live_on_the_gpu() {
    for on in variants() {
        let mut rng = Rng(241);
        let mut pair = Pair::single(on, 50, 6, &mut rng);
        for count in [0u32, 1, 77, 300, 1000] {
            let full = rng.gradient(50, 6, 300);
            let held = pair.hold(&[count]);
            let grad = pair.sparse_grad(&full, IndexDtype::U32).count(held);
            let live = count.min(300) as usize;
            let same = Gradient {
                indices: full.indices[..live].to_vec(),
                values: full.values[..live * 6].to_vec(),
            };
            pair.step_as(0, grad, &same);
        }
        pair.assert_equal("a count on the GPU");
        // The last count is above the capacity.
        assert_eq!(pair.status(0).over_capacity, 1);
    }
}

#[test]
fn counts_of_two_steps_in_one_encoder_stay_apart() {
    for on in variants() {
        let mut rng = Rng(245);
        let mut pair = Pair::single(on, 50, 6, &mut rng);
        let label = Some("two counts");
        let gpu = pair.gpu;
        let mut encoder =
            gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label });
        for count in [30u32, 200] {
            let full = rng.gradient(50, 6, 300);
            let held = pair.hold(&[count]);
            let grad = pair.sparse_grad(&full, IndexDtype::U32).count(held);
            pair.optimizer.set_grad(pair.ids[0], grad).unwrap();
            pair.optimizer.step(&mut encoder).unwrap();
            let live = count as usize;
            let same = Gradient {
                indices: full.indices[..live].to_vec(),
                values: full.values[..live * 6].to_vec(),
            };
            reference::step(&mut pair.twins[0], &same, &pair.options[0]);
        }
        gpu.queue.submit([encoder.finish()]);
        pair.assert_equal("two counts in one encoder");
    }
}

#[test]
fn a_promise_of_uniqueness_gives_the_same_bits() {
    for on in variants() {
        let mut rng = Rng(251);
        let shapes = [(900, 12), (300, 5)];
        let mut pair = Pair::new(on, &shapes, &[AdamOptions::default(); 2], &mut rng);
        let mut rows: Vec<i64> = (0..900).collect();
        (1..900).rev().for_each(|i| rows.swap(i, rng.below(i + 1)));
        rows[17] = -1;
        let promised = Gradient { indices: rows, values: rng.floats(900 * 12) };
        let sorted = rng.gradient(300, 5, 1000);
        let grad = pair.sparse_grad(&promised, IndexDtype::I32).duplicates(Duplicates::None);
        pair.optimizer.set_grad(pair.ids[0], grad).unwrap();
        pair.set_grad(1, &sorted);
        pair.submit_step();
        reference::step(&mut pair.twins[0], &promised, &pair.options[0]);
        reference::step(&mut pair.twins[1], &sorted, &pair.options[1]);
        pair.assert_equal("a promise beside a sorted table");
        assert_eq!(pair.status(0).out_of_range, 1);
        // Alone, it needs no sort: ingest and update.
        let grad = pair.sparse_grad(&promised, IndexDtype::I32).duplicates(Duplicates::None);
        pair.step_as(0, grad, &promised);
        pair.assert_equal("a promise alone");
        assert_eq!(pair.optimizer.dispatches(), 2);
    }
}

#[test]
fn a_checked_promise_counts_what_breaks_it_and_sums_it() {
    for on in variants() {
        let mut rng = Rng(261);
        let mut pair = Pair::single(on, 50, 4, &mut rng);
        let indices = vec![4, 9, 4, -1, 7, 9, 4, -1];
        let same = Gradient { values: rng.floats(4 * indices.len()), indices };
        let grad = pair.sparse_grad(&same, IndexDtype::I32).duplicates(Duplicates::NoneChecked);
        pair.step_as(0, grad, &same);
        pair.assert_equal("a broken promise");
        let status = pair.status(0);
        assert_eq!((status.repeated, status.out_of_range), (3, 2));
    }
}

#[test]
fn entries_that_are_not_finite_are_applied_counted_or_skipped() {
    for on in variants() {
        for (dim, weighted) in [(4, false), (3, false), (4, true)] {
            let mut rng = Rng(271);
            let mut pair = Pair::single(on, 50, dim, &mut rng);
            let mut grad = rng.gradient(50, dim, 120);
            // Two entries on rows of their own, one on a shared row.
            for (entry, row, value) in
                [(5, 48, f32::NAN), (6, 49, f32::INFINITY), (70, 0, f32::NEG_INFINITY)]
            {
                grad.indices[entry] = row;
                grad.values[entry * dim + dim - 1] = value;
            }
            let weights = pair.hold(&[1.0f32; 120]);
            let set = pair.sparse_grad(&grad, IndexDtype::U32).non_finite(NonFinite::Skipped);
            let set = if weighted { set.weights(weights) } else { set };
            let mut same = Gradient::default();
            for (&index, row) in grad.indices.iter().zip(grad.values.chunks(dim)) {
                if row.iter().all(|value| value.is_finite()) {
                    same.indices.push(index);
                    same.values.extend(row);
                }
            }
            pair.step_as(0, set, &same);
            pair.assert_equal("skipped entries");
            assert_eq!(pair.status(0).non_finite, 3);
            let set = pair.sparse_grad(&grad, IndexDtype::U32).non_finite(NonFinite::Counted);
            pair.optimizer.set_grad(pair.ids[0], set).unwrap();
            pair.submit_step();
            assert_eq!(pair.status(0).non_finite, 6);
            let param = pair.table(0).param;
            assert!(param[50 * dim - 1].is_nan(), "an infinity that is applied gives a NaN");
        }
    }
}

#[test]
fn accumulated_gradients_are_one_gradient_of_all_entries() {
    for on in variants() {
        for dim in [4, 7] {
            let mut rng = Rng(281);
            let mut pair = Pair::single(on, 60, dim, &mut rng);
            let mut all = Gradient::default();
            let plain = rng.gradient(60, dim, 150);
            let (bag, map) = bags(&mut rng, 60, dim, 20);
            let weights = rng.floats(map.len());
            let counted = rng.gradient(60, dim, 90);
            pair.set_grad(0, &plain);
            all.indices.extend(&plain.indices);
            all.values.extend(&plain.values);
            let indices = pair.hold(&encode(&bag.indices, IndexDtype::U32));
            let (values, value_map) = (pair.hold(&bag.values), pair.hold(&map));
            let held = pair.hold(&weights);
            let grad = SparseGrad::new(indices, values, map.len() as u32);
            let grad = grad.value_map(value_map, 20).weights(held);
            pair.optimizer.accumulate_grad(pair.ids[0], grad).unwrap();
            all.indices.extend(&bag.indices);
            all.values.extend(reference::gather_values(&bag.values, dim, &map, Some(&weights)));
            let count = pair.hold(&[50u32]);
            let grad = pair.sparse_grad(&counted, IndexDtype::I64).count(count);
            pair.optimizer.accumulate_grad(pair.ids[0], grad).unwrap();
            all.indices.extend(&counted.indices[..50]);
            all.values.extend(&counted.values[..50 * dim]);
            reference::step(&mut pair.twins[0], &all, &pair.options[0]);
            pair.submit_step();
            pair.assert_equal("accumulated");
        }
    }
}

#[test]
fn shards_are_one_table() {
    for (gpu, tuning) in variants() {
        let mut rng = Rng(291);
        let dim = 5;
        let sizes = [70u32, 1, 129];
        let values: Vec<_> = sizes.map(|rows| rng.floats(rows as usize * dim)).to_vec();
        let buffers: Vec<_> = values.iter().map(|values| gpu.upload("shard", values)).collect();
        let shards = buffers.iter().map(Region::from).zip(sizes);
        let defaults = AdamOptions::default();
        let mut optimizer =
            SparseAdam::with_tuning(&gpu.device, &gpu.queue, defaults, tuning).unwrap();
        let id = optimizer.add_param(Param::sharded("p", shards, [200, dim as u32])).unwrap();
        let grad = rng.gradient(200, dim, 400);
        let indices = gpu.upload("indices", &encode(&grad.indices, IndexDtype::U32));
        let value_rows = gpu.upload("values", &grad.values);
        optimizer.set_grad(id, SparseGrad::new(&indices, &value_rows, 400)).unwrap();
        gpu.submit(|encoder| optimizer.step(encoder)).unwrap();
        let mut twin = Table::new(values.concat(), dim);
        reference::step(&mut twin, &grad, &defaults);
        let read = |buffer| pollster::block_on(gpu.read::<f32>(buffer)).unwrap();
        let found: Vec<f32> = buffers.iter().flat_map(read).collect();
        assert_tensor(gpu, "shards", &found, &twin.param);
    }
}

#[test]
fn one_pool_buffer_holds_everything() {
    for (gpu, tuning) in variants() {
        let mut rng = Rng(301);
        let (rows, dim, nnz) = (64, 8, 256);
        let param = rng.floats(rows * dim);
        let grad = rng.gradient(rows, dim, nnz);
        let map: Vec<u32> = (0..nnz as u32).rev().collect();
        let weights = rng.floats(nnz);
        // Slices at multiples of 256 bytes, in one buffer.
        let indices = encode(&grad.indices, IndexDtype::U32);
        let parts: [&[u8]; 5] = [
            bytemuck::cast_slice(&param),
            &indices,
            bytemuck::cast_slice(&grad.values),
            bytemuck::cast_slice(&map),
            bytemuck::cast_slice(&weights),
        ];
        let mut pool = Vec::new();
        let mut ranges = Vec::new();
        for part in parts {
            let start = pool.len().next_multiple_of(256);
            pool.resize(start, 0xee);
            pool.extend_from_slice(part);
            ranges.push(start as u64..pool.len() as u64);
        }
        let pool = gpu.upload("pool", &pool);
        let slice = |part: usize| pool.slice(ranges[part].clone());
        let defaults = AdamOptions::default();
        let mut optimizer =
            SparseAdam::with_tuning(&gpu.device, &gpu.queue, defaults, tuning).unwrap();
        let shape = [rows as u32, dim as u32];
        let id = optimizer.add_param(Param::new("p", slice(0), shape)).unwrap();
        let set = SparseGrad::new(slice(1), slice(2), nnz as u32);
        let set = set.value_map(slice(3), nnz as u32).weights(slice(4));
        optimizer.set_grad(id, set).unwrap();
        gpu.submit(|encoder| optimizer.step(encoder)).unwrap();
        let mut twin = Table::new(param, dim);
        let values = reference::gather_values(&grad.values, dim, &map, Some(&weights));
        reference::step(&mut twin, &Gradient { indices: grad.indices, values }, &defaults);
        let found: Vec<f32> = pollster::block_on(gpu.read(slice(0))).unwrap();
        assert_tensor(gpu, "pool", &found, &twin.param);
    }
}

#[test]
fn a_steady_state_makes_nothing() {
    for on in variants() {
        let mut rng = Rng(311);
        let shapes = [(500, 16), (300, 3)];
        let mut pair = Pair::new(on, &shapes, &[AdamOptions::default(); 2], &mut rng);
        for (table, (rows, dim)) in shapes.into_iter().enumerate() {
            pair.set_grad(table, &rng.gradient(rows, dim, 400));
        }
        pair.submit_step();
        let warm = pair.optimizer.resources();
        for _ in 0..100 {
            pair.submit_step();
        }
        assert_eq!(pair.optimizer.resources(), warm);
        // Moments are two f32 a value; nothing else grows with the tables.
        assert_eq!(warm.state_bytes, 8 * (500 * 16 + 300 * 3));
    }
}
