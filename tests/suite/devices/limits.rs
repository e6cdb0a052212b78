//! Devices with less than the least, and with sizes that nobody rounds.

use super::{noop, storage};
use sparse_adam::{
    AdamOptions, Duplicates, Error, NonFinite, Param, Region, Scalars, SparseAdam, SparseGrad,
    Tuning,
};
use sparse_adam_testkit::headless::Gpu;
use sparse_adam_testkit::{Pair, Rng, gpus};
use wgpu::Limits;

/// A limit: its name, the least that will do, and how it is set.
type Limit = (&'static str, u64, fn(&mut Limits, u64));

const LIMITS: [Limit; 14] = [
    ("max_bind_groups", 1, |limits, to| limits.max_bind_groups = to as u32),
    ("max_bindings_per_bind_group", 11, |limits, to| {
        limits.max_bindings_per_bind_group = to as u32
    }),
    ("max_dynamic_uniform_buffers_per_pipeline_layout", 2, |limits, to| {
        limits.max_dynamic_uniform_buffers_per_pipeline_layout = to as u32;
    }),
    ("max_uniform_buffers_per_shader_stage", 3, |limits, to| {
        limits.max_uniform_buffers_per_shader_stage = to as u32;
    }),
    ("max_storage_buffers_per_shader_stage", 4, |limits, to| {
        limits.max_storage_buffers_per_shader_stage = to as u32;
    }),
    ("max_uniform_buffer_binding_size", 224, |limits, to| {
        limits.max_uniform_buffer_binding_size = to;
    }),
    ("max_storage_buffer_binding_size", 256, |limits, to| {
        limits.max_storage_buffer_binding_size = to;
    }),
    ("max_buffer_size", 1024 * 256, |limits, to| limits.max_buffer_size = to),
    ("max_compute_workgroup_storage_size", 16_352, |limits, to| {
        limits.max_compute_workgroup_storage_size = to as u32;
    }),
    ("max_compute_invocations_per_workgroup", 256, |limits, to| {
        limits.max_compute_invocations_per_workgroup = to as u32;
    }),
    ("max_compute_workgroup_size_x", 256, |limits, to| {
        limits.max_compute_workgroup_size_x = to as u32;
    }),
    ("max_compute_workgroup_size_y", 1, |limits, to| {
        limits.max_compute_workgroup_size_y = to as u32;
    }),
    ("max_compute_workgroup_size_z", 1, |limits, to| {
        limits.max_compute_workgroup_size_z = to as u32;
    }),
    ("max_compute_workgroups_per_dimension", 65_535, |limits, to| {
        limits.max_compute_workgroups_per_dimension = to as u32;
    }),
];

fn optimizer(gpu: &Gpu, tuning: Tuning) -> Result<SparseAdam, Error> {
    SparseAdam::with_tuning(&gpu.device, &gpu.queue, AdamOptions::default(), tuning)
}

/// A step of tables that one dispatch of each stage takes together, where so much may be bound.
fn assert_merged(gpu: &Gpu, tuning: Tuning, what: &str) {
    for (tables, in_pools) in [(2, false), (2, true), (40, false), (40, true)] {
        let mut optimizer = optimizer(gpu, tuning).unwrap();
        let stride = u64::from(gpu.device.limits().min_storage_buffer_offset_alignment).max(256);
        let pools = [0, 1, 2].map(|_| storage(gpu, stride * tables));
        for table in 0..tables {
            let part = |pool: usize| match in_pools {
                true => Region::new(&pools[pool], stride * table, 256),
                false => Region::from(storage(gpu, 256)),
            };
            let param = Param::new(format!("{table}"), part(0), [4, 8]);
            let id = optimizer.add_param(param).unwrap();
            optimizer.set_grad(id, SparseGrad::new(part(1), part(2), 1)).unwrap();
        }
        match gpu.submit(|encoder| optimizer.step(encoder)) {
            Ok(()) => {}
            // A small binding does not hold many entries.
            Err(Error::TooLarge { .. }) if tables > 2 => {}
            Err(error) => panic!("{what}, {tables} tables, {in_pools}: {error}"),
        }
    }
}

/// Steps of every stage on `gpu`.
fn assert_steps(gpu: &Gpu, tuning: Tuning, what: &str) {
    let mut optimizer = optimizer(gpu, tuning).unwrap_or_else(|error| panic!("{what}: {error}"));
    let id = optimizer.add_param(Param::new("p", storage(gpu, 64), [4, 4])).unwrap();
    assert_merged(gpu, tuning, what);
    for nnz in [3, 10, 3000, 4000, 5000, 6000] {
        // Every other step binds one uniform buffer more.
        match nnz {
            10 | 4000 => optimizer.set_scalars(Scalars::new()).unwrap(),
            _ => optimizer.clear_scalars(),
        }
        let entries = || storage(gpu, 4 * u64::from(nnz));
        let mapped = SparseGrad::new(entries(), storage(gpu, 32), nnz)
            .value_map(entries(), 2)
            .weights(entries())
            .duplicates(Duplicates::NoneChecked)
            .non_finite(NonFinite::Skipped);
        let plain = SparseGrad::new(entries(), storage(gpu, 16 * u64::from(nnz)), nnz);
        let weighted = plain.clone().weights(entries());
        for grads in [[Some(mapped), None], [Some(weighted), Some(plain)]] {
            optimizer.zero_grad(true);
            let set = grads.into_iter().flatten().try_for_each(|grad| {
                optimizer.accumulate_grad(id, grad)?;
                gpu.submit(|encoder| optimizer.step(encoder))
            });
            match set {
                // A small binding does not hold many entries.
                Ok(()) | Err(Error::TooLarge { .. }) => {}
                Err(error) => panic!("{what}, {nnz} entries: {error}"),
            }
        }
    }
}

#[test]
fn a_device_below_any_limit_is_refused_and_one_at_it_will_do() {
    for (name, least, set) in LIMITS {
        let mut limits = Limits::downlevel_defaults();
        set(&mut limits, least - 1);
        for tuning in [Tuning::CPU, Tuning::GPU] {
            match optimizer(&noop(limits.clone()), tuning).map(drop) {
                Err(Error::DeviceLimit { limit, expected, found }) => {
                    assert_eq!((limit, expected, found), (name, least, least - 1));
                }
                other => panic!("{name}: {other:?}"),
            }
            let mut limits = Limits::downlevel_defaults();
            set(&mut limits, least);
            assert_steps(&noop(limits), tuning, name);
        }
    }
}

/// wgpu limits uniform and storage buffers together, too: as many as one table's dispatches bind will do.
#[test]
fn a_device_that_binds_few_buffers_of_both_kinds_will_do() {
    for all in 7..=12 {
        let limits = Limits {
            max_buffers_and_acceleration_structures_per_shader_stage: all,
            ..Limits::default()
        };
        for tuning in [Tuning::CPU, Tuning::GPU] {
            assert_steps(&noop(limits.clone()), tuning, &format!("{all} buffers"));
        }
    }
}

#[test]
fn a_device_at_all_limits_at_once_will_do() {
    let mut limits = Limits::downlevel_defaults();
    for (_, least, set) in LIMITS {
        set(&mut limits, least);
    }
    for tuning in [Tuning::CPU, Tuning::GPU] {
        assert_steps(&noop(limits.clone()), tuning, "all");
    }
}

#[test]
fn bindings_and_alignments_of_any_size_will_do() {
    for odd in [1021, 4099, 50_001, 50_002, 50_003] {
        for alignment in [32, 256, 512, 1024] {
            let limits = Limits {
                max_storage_buffer_binding_size: odd,
                min_storage_buffer_offset_alignment: alignment,
                min_uniform_buffer_offset_alignment: alignment,
                max_buffer_size: (1 << 20) + 1,
                ..Limits::downlevel_defaults()
            };
            for tuning in [Tuning::CPU, Tuning::GPU] {
                assert_steps(&noop(limits.clone()), tuning, &format!("{odd}, {alignment}"));
            }
        }
    }
}

#[test]
fn windows_of_an_odd_limit_equal_their_twin() {
    let limits =
        Limits { max_storage_buffer_binding_size: (1 << 18) + 3, ..gpus()[0].device.limits() };
    let gpu = pollster::block_on(Gpu::open_with_limits(limits)).unwrap();
    for tuning in [Tuning::CPU, Tuning::GPU] {
        let mut rng = Rng(171);
        let mut pair = Pair::single((&gpu, tuning), 9000, 13, &mut rng);
        for _ in 0..2 {
            pair.step(&[Some(rng.gradient(9000, 13, 4000))]);
        }
        pair.assert_equal("an odd binding limit");
    }
}
