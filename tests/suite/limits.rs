//! Sizes at which something changes: levels, grids, windows, the smallest devices.

use super::harness::{Pair, Rng, gpus, variants};
use sparse_adam::headless::Gpu;
use sparse_adam::reference::Gradient;
use sparse_adam::{AdamOptions, Tuning};
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
fn runs_around_every_level_of_the_tree() {
    for on in variants() {
        let mut rng = Rng(91);
        let lengths = [1, 63, 64, 65, 127, 128, 129, 4095, 4096, 4097, 4160, 8192, 8193];
        let mut grad = Gradient::default();
        for (row, length) in lengths.into_iter().enumerate() {
            grad.indices.extend(vec![row as i64; length]);
        }
        // Entries of all rows mixed.
        for i in (1..grad.indices.len()).rev() {
            grad.indices.swap(i, rng.below(i + 1));
        }
        grad.values = rng.floats(4 * grad.indices.len());
        let mut pair = Pair::single(on, lengths.len(), 4, &mut rng);
        pair.step(&[Some(grad)]);
        pair.assert_equal("levels");
    }
}

#[test]
fn more_workgroups_than_one_axis_holds() {
    for (gpu, _) in variants() {
        let mut rng = Rng(101);
        let (rows, nnz) = (300_000, 700_000);
        // 8 invocations a workgroup: 87,500 workgroups of ingest.
        let mut pair = Pair::single((gpu, Tuning::CPU), rows, 1, &mut rng);
        pair.step(&[Some(rng.gradient(rows, 1, nnz))]);
        pair.assert_equal("a folded grid");
    }
}

/// A device of the first adapter with `limits`.
fn device_with(limits: Limits) -> &'static Gpu {
    let gpu = pollster::block_on(Gpu::open_with_limits(limits)).unwrap();
    Box::leak(Box::new(gpu))
}

#[test]
fn everything_runs_on_the_smallest_device() {
    let gpu = device_with(Limits::downlevel_defaults());
    for tuning in [Tuning::CPU, Tuning::GPU] {
        let mut rng = Rng(111);
        let shapes = [(500, 12), (90, 5)];
        let mut pair = Pair::new((gpu, tuning), &shapes, &[AdamOptions::default(); 2], &mut rng);
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
    let limits =
        Limits { max_storage_buffer_binding_size, ..gpus()[0].device.limits() };
    let gpu = device_with(limits);
    for tuning in [Tuning::CPU, Tuning::GPU] {
        let mut rng = Rng(121);
        // 1.4 MB, 0.9 MB and 1.1 MB of parameters: several windows of moments each.
        let shapes = [(9_500, 37), (3_500, 64), (90_000, 3)];
        let mut pair = Pair::new((gpu, tuning), &shapes, &[AdamOptions::default(); 3], &mut rng);
        for _ in 0..2 {
            let grads = shapes.map(|(rows, dim)| Some(rng.gradient(rows, dim, 3000)));
            pair.step(&grads);
        }
        pair.assert_equal("windows");
    }
}
