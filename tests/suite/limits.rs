//! Sizes at which something changes: levels, grids, windows, the smallest devices.

use sparse_adam::reference::Gradient;
use sparse_adam::{AdamOptions, Tuning};
use sparse_adam_testkit::campaign::fresh_seed;
use sparse_adam_testkit::headless::Gpu;
use sparse_adam_testkit::{Pair, Rng, gpus, variants};
use wgpu::Limits;

#[test]
fn a_row_named_a_million_times_is_summed() {
    for on in variants() {
        let mut rng = Rng(81);
        let nnz = 1_000_000;
        let mut pair = Pair::single(on, 1000, 2, &mut rng);
        let mut grad = Gradient { indices: vec![77; nnz], values: rng.floats(2 * nnz) };
        // Other rows before, between and after it.
        for at in [0, 1, 2, 5000, 777_777] {
            grad.indices[at] = rng.below(1000) as i64;
        }
        pair.step(&[Some(grad)]);
        pair.assert_equal("a million entries");
    }
}

#[test]
fn more_workgroups_than_one_axis_holds() {
    for (gpu, _) in variants() {
        let mut rng = Rng(101);
        let (rows, nnz) = (300_000, 1_060_000);
        // Ingest of 8 entries a workgroup, update of 16 positions: more than 65,535 of each.
        let mut tuning = Tuning::CPU;
        tuning.ingest_strip = 1;
        tuning.update_tile = 16;
        let mut pair = Pair::single((gpu, tuning), rows, 1, &mut rng);
        pair.step(&[Some(rng.gradient(rows, 1, nnz))]);
        pair.assert_equal("a folded grid");
    }
}

/// A device of the first adapter with `limits`.
fn device_with(limits: Limits) -> Gpu {
    pollster::block_on(Gpu::open_with_limits(limits)).unwrap()
}

#[test]
fn everything_runs_on_the_smallest_device() {
    let gpu = device_with(Limits::downlevel_defaults());
    for tuning in [Tuning::CPU, Tuning::GPU] {
        let mut rng = Rng(111);
        let shapes = [(500, 12), (90, 5)];
        let mut pair = Pair::new((&gpu, tuning), &shapes, &[AdamOptions::default(); 2], &mut rng);
        for _ in 0..2 {
            let grads = shapes.map(|(rows, dim)| Some(rng.gradient(rows, dim, 5000)));
            pair.step(&grads);
        }
        pair.assert_equal("downlevel limits");
    }
}

#[test]
fn a_table_of_many_windows_equals_its_twin() {
    // A device whose bindings are small makes windows of small tables.
    let max_storage_buffer_binding_size = 1 << 20;
    let limits = Limits { max_storage_buffer_binding_size, ..gpus()[0].device.limits() };
    let gpu = device_with(limits);
    for tuning in [Tuning::CPU, Tuning::GPU] {
        let mut rng = Rng(121);
        // 1.4 MB, 0.9 MB and 1.1 MB of parameters: several windows of moments each.
        let shapes = [(9_500, 37), (3_500, 64), (90_000, 3)];
        let mut pair = Pair::new((&gpu, tuning), &shapes, &[AdamOptions::default(); 3], &mut rng);
        for _ in 0..2 {
            let grads = shapes.map(|(rows, dim)| Some(rng.gradient(rows, dim, 3000)));
            pair.step(&grads);
        }
        pair.assert_equal("windows");
    }
}

#[test]
fn values_larger_than_one_binding_equal_their_twin() {
    let max_storage_buffer_binding_size = 1 << 20;
    let limits = Limits {
        max_storage_buffer_binding_size,
        max_storage_buffers_per_shader_stage: 8,
        ..gpus()[0].device.limits()
    };
    let gpu = device_with(limits);
    for tuning in [Tuning::CPU, Tuning::GPU] {
        for (dim, nnz) in [(64, 16_000), (37, 12_000), (1, 60_000)] {
            let mut rng = Rng(131);
            let mut pair = Pair::single((&gpu, tuning), 3000, dim, &mut rng);
            pair.step(&[Some(rng.gradient(3000, dim, nnz))]);
            pair.assert_equal("wide values");
        }
    }
}

#[test]
fn a_table_of_300_megabytes_equals_the_same_rows_in_small_tables() {
    // More than the 128 MiB that a binding holds on a default WebGPU device.
    let limits = Limits { max_storage_buffer_binding_size: 128 << 20, ..gpus()[0].device.limits() };
    let gpu = device_with(limits);
    let on = (&gpu, Tuning::for_adapter(&gpu.info));
    let (rows, dim, nnz, part) = (1_200_000, 64, 20_000, 100_000);
    let mut rng = Rng(141);
    let mut whole = Pair::single(on, rows, dim, &mut rng);
    let grad = rng.gradient(rows, dim, nnz);
    whole.step(&[Some(grad.clone())]);
    whole.assert_equal("300 MB");
    let found = whole.table(0);
    // What the table was before its step.
    let values = Rng(141).floats(rows * dim);
    // Three of them, drawn: each takes as long as the step of the whole.
    let mut parts: Vec<usize> = (0..rows).step_by(part).collect();
    Rng(fresh_seed()).shuffle(&mut parts);
    for &first in &parts[..3] {
        let mut small = Pair::single(on, part, dim, &mut Rng(1));
        let values = &values[first * dim..][..part * dim];
        gpu.queue.write_buffer(
            small.params[0].region.buffer(),
            small.params[0].region.offset(),
            bytemuck::cast_slice(values),
        );
        let mut own = Gradient::default();
        for (&index, row) in grad.indices.iter().zip(grad.values.chunks(dim)) {
            if (first..first + part).contains(&(index as usize)) {
                own.indices.push(index - first as i64);
                own.values.extend(row);
            }
        }
        small.set_grad(0, &own);
        small.submit_step();
        let part = small.table(0);
        let at = first * dim..first * dim + part.param.len();
        assert!(part.param == found.param[at.clone()]);
        assert!(part.exp_avg == found.exp_avg[at.clone()]);
        assert!(part.exp_avg_sq == found.exp_avg_sq[at]);
        if own.indices.is_empty() {
            assert_eq!(part.step, 1);
        }
    }
}

#[test]
fn two_hundred_tables_in_one_step_equal_two_hundred_steps() {
    for on in variants() {
        let mut rng = Rng(151);
        let shapes: Vec<_> = (0..200).map(|_| (1 + rng.below(90), 1 + rng.below(9))).collect();
        let options = vec![AdamOptions::default(); 200];
        let grads: Vec<_> = shapes
            .iter()
            .map(|&(rows, dim)| {
                let nnz = 1 + rng.below(150);
                rng.gradient(rows, dim, nnz)
            })
            .collect();
        let mut together = Pair::new(on, &shapes, &options, &mut Rng(5));
        together.step(&grads.iter().cloned().map(Some).collect::<Vec<_>>());
        together.assert_equal("200 tables");
        let mut apart = Pair::new(on, &shapes, &options, &mut Rng(5));
        for (table, grad) in grads.iter().enumerate() {
            apart.optimizer.zero_grad(true);
            apart.set_grad(table, grad);
            apart.submit_step();
        }
        for table in 0..200 {
            assert_eq!(together.table(table), apart.table(table));
        }
    }
}
