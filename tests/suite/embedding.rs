//! What an engine needs: gradients born on the GPU, shared value rows, one pool buffer, and a
//! steady state that makes nothing.

use sparse_adam::reference::{self, Gradient, Table};
use sparse_adam::{AdamOptions, IndexDtype, Param, Region, SparseGrad};
use sparse_adam_testkit::headless::Gpu;
use sparse_adam_testkit::{Pair, Rng, assert_tensor, encode, variants};

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
        let (bag, mut map) = rng.bags(40, 4, 30);
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
fn parts_are_one_table() {
    for (gpu, tuning) in variants() {
        let mut rng = Rng(291);
        let dim = 5;
        let sizes = [70u32, 1, 129];
        let values: Vec<_> = sizes.map(|rows| rng.floats(rows as usize * dim)).to_vec();
        let buffers: Vec<_> = values.iter().map(|values| gpu.upload("part", values)).collect();
        let parts = buffers.iter().map(Region::from).zip(sizes);
        let defaults = AdamOptions::default();
        let mut optimizer = gpu.optimizer(defaults, tuning).unwrap();
        let id = optimizer.add_param(Param::in_parts("p", parts, [200, dim as u32])).unwrap();
        let grad = rng.gradient(200, dim, 400);
        let indices = gpu.upload("indices", &encode(&grad.indices, IndexDtype::U32));
        let value_rows = gpu.upload("values", &grad.values);
        optimizer.set_grad(id, SparseGrad::new(&indices, &value_rows, 400)).unwrap();
        gpu.submit(|encoder| optimizer.step(encoder)).unwrap();
        let mut twin = Table::new(values.concat(), dim);
        reference::step(&mut twin, &grad, &defaults);
        let read = |buffer| pollster::block_on(gpu.read::<f32>(buffer)).unwrap();
        let found: Vec<f32> = buffers.iter().flat_map(read).collect();
        assert_tensor((gpu, tuning), "parts", &found, &twin.param);
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
        let mut optimizer = gpu.optimizer(defaults, tuning).unwrap();
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
        assert_tensor((gpu, tuning), "pool", &found, &twin.param);
    }
}

#[test]
fn a_steady_state_makes_nothing() {
    for (gpu, tuning) in variants() {
        let mut rng = Rng(311);
        let shapes = [(500, 16), (300, 3)];
        // With pipelines of its own, so that those of other tests are not counted.
        let gpu = Gpu::new(gpu.device.clone(), gpu.queue.clone());
        let mut pair = Pair::new((&gpu, tuning), &shapes, &[AdamOptions::default(); 2], &mut rng);
        for (table, (rows, dim)) in shapes.into_iter().enumerate() {
            pair.set_grad(table, &rng.gradient(rows, dim, 400));
        }
        pair.submit_step();
        let warm = pair.optimizer.resources();
        for _ in 0..100 {
            pair.submit_step();
        }
        assert_eq!(pair.optimizer.resources(), warm);
        // Moments are two f32 per value; nothing else grows with the tables.
        assert_eq!(warm.state_bytes, 8 * (500 * 16 + 300 * 3));
    }
}
