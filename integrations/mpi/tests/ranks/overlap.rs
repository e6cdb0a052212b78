//! What travels while the device works: ids of the next batch, and values of this one.

use super::harness::{optimizer_on, ranks};
use sparse_adam::{AdamOptions, ParamId};
use sparse_adam_mpi::{Looked, ShardedOptimizer, ShardedTable, Values, World};
use sparse_adam_testkit::headless::Gpu;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use wgpu::PollType;

/// Of every invocation, many turns.
const LONG: &str = "
    @group(0) @binding(0) var<storage, read_write> values: array<f32>;
    @compute @workgroup_size(64)
    fn main(@builtin(global_invocation_id) id: vec3<u32>) {
        var value = values[id.x];
        for (var turn = 0u; turn < 50000u; turn++) {
            value = value * 1.0001 + f32(turn & 1u);
        }
        values[id.x] = value;
    }";

/// Submits work; it is told when the device has done that, by a call that waits for it or comes later.
fn work(gpu: &Gpu, groups: u32) -> Arc<AtomicBool> {
    let buffer = gpu.zeroed("long", 4 * 64 * u64::from(groups));
    let source = wgpu::ShaderSource::Wgsl(LONG.into());
    let module = wgpu::ShaderModuleDescriptor { label: None, source };
    let module = gpu.device.create_shader_module(module);
    let pipeline = gpu.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: None,
        layout: None,
        module: &module,
        entry_point: None,
        compilation_options: Default::default(),
        cache: None,
    });
    let entries = [wgpu::BindGroupEntry { binding: 0, resource: buffer.as_entire_binding() }];
    let layout = &pipeline.get_bind_group_layout(0);
    let bound = wgpu::BindGroupDescriptor { label: None, layout, entries: &entries };
    let bound = gpu.device.create_bind_group(&bound);
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    let mut pass = encoder.begin_compute_pass(&Default::default());
    pass.set_pipeline(&pipeline);
    pass.set_bind_group(0, &bound, &[]);
    pass.dispatch_workgroups(groups, 1, 1);
    drop(pass);
    gpu.queue.submit([encoder.finish()]);
    let done = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&done);
    gpu.queue.on_submitted_work_done(move || told.store(true, Ordering::Relaxed));
    done
}

/// One rank with a table, on a device that nobody else asks whether it is done.
fn alone(gpu: &Gpu) -> (ShardedOptimizer, ParamId) {
    let mut optimizer = optimizer_on(gpu, World::threads(ranks(1)).remove(0));
    let table = ShardedTable::new("t", 9, &[2], |_, out| out.fill(0.5));
    let group = optimizer.add_group(AdamOptions::default(), vec![table]).unwrap();
    let id = optimizer.core().group_params(group).unwrap()[0];
    (optimizer, id)
}

/// Ids of a batch looked up, and their rows. Kernels are compiled when they are first used.
fn looked(optimizer: &mut ShardedOptimizer, id: ParamId) -> Looked {
    let asked = optimizer.ask(&[(id, &[1, 2])]).unwrap();
    optimizer.rows(asked).unwrap()
}

/// Whether values and ids travelled before the device had done work of so many groups.
fn overlaps(optimizer: &mut ShardedOptimizer, gpu: &Gpu, id: ParamId, groups: u32) -> bool {
    let values = gpu.upload("v", &[1.0f32; 4]);
    let before = looked(optimizer, id);
    let giving = optimizer.begin_give(before, &[Values::rows(&values)]);
    let done = work(gpu, groups);
    optimizer.finish_give(giving).unwrap();
    let given = !done.load(Ordering::Relaxed);
    // llvmpipe's queue may take no submission before it has done the one before.
    optimizer.step(&[]).unwrap();
    let done = work(gpu, groups);
    let next = optimizer.ask(&[(id, &[3])]).unwrap();
    let asked = !done.load(Ordering::Relaxed);
    let behind = optimizer.rows(next).unwrap();
    assert!(done.load(Ordering::Relaxed), "rows are those behind the step");
    optimizer.forget(behind);
    gpu.device.poll(PollType::wait_indefinitely()).unwrap();
    given && asked
}

/// On a busy machine the device may have done it by chance; a call that waits for it finds it done every time.
#[test]
fn ids_travel_and_values_too_while_the_device_works_on() {
    let gpu = pollster::block_on(Gpu::open()).unwrap();
    let (mut optimizer, id) = alone(&gpu);
    let values = gpu.upload("v", &[1.0f32; 4]);
    let first = looked(&mut optimizer, id);
    optimizer.give(first, &[Values::rows(&values)]).unwrap();
    optimizer.step(&[]).unwrap();
    let longer = (0..5).map(|turn| 2048 << turn);
    let mut tried = longer.map(|groups| overlaps(&mut optimizer, &gpu, id, groups));
    assert!(tried.any(|overlaps| overlaps), "giving or asking waits for the device");
}
