//! The limit: how fast the adapter copies a large buffer.

use sparse_adam::{Error, Form, Tuning};
use sparse_adam_testkit::headless::Gpu;
use std::time::{Duration, Instant};
use wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, Buffer, CommandEncoder, ComputePipeline,
    ComputePipelineDescriptor,
};

/// Bytes of the largest buffer copied.
const BYTES: u64 = 256 << 20;
/// Invocations of a workgroup and bytes that each copies, as in `copy.wgsl`.
const WORKGROUP: u64 = 64;
const BYTES_EACH: u64 = 16;
/// Copies of a short and of a long submission, whose difference counts: what a submission takes is in both.
const COPIES: [u32; 2] = [1, 5];
/// Submissions of each, of which the fastest counts, and how long a GPU copies at least before its clock has risen.
const ROUNDS: usize = 5;
const CLOCK_RISES: Duration = Duration::from_millis(200);

/// Bytes read and written a second, in units of 1e9: by copy command or kernel, the better.
pub fn copy_gbps(gpu: &Gpu) -> Result<f64, Error> {
    let limits = gpu.device.limits();
    let bytes = BYTES.min(limits.max_storage_buffer_binding_size).min(limits.max_buffer_size) & !15;
    let (source, target) = (gpu.zeroed("source", bytes), gpu.zeroed("target", bytes));
    let kernel = Kernel::new(gpu, &source, &target);
    let command = best(gpu, |encoder| {
        encoder.copy_buffer_to_buffer(&source, 0, &target, 0, bytes);
    })?;
    let groups = bytes.div_ceil(BYTES_EACH * WORKGROUP) as u32;
    let most = limits.max_compute_workgroups_per_dimension;
    let kernel = best(gpu, |encoder| kernel.record(encoder, groups, most))?;
    Ok(2.0 * bytes as f64 / command.min(kernel).as_secs_f64() / 1e9)
}

/// The time of one copy.
fn best(gpu: &Gpu, copy: impl Fn(&mut CommandEncoder)) -> Result<Duration, Error> {
    let mut shortest = [Duration::MAX; 2];
    let (first, mut rounds) = (Instant::now(), 0);
    while rounds < ROUNDS || (is_gpu(gpu) && first.elapsed() < CLOCK_RISES) {
        for (shortest, copies) in shortest.iter_mut().zip(COPIES) {
            let start = Instant::now();
            gpu.submit(|encoder| {
                (0..copies).for_each(|_| copy(encoder));
                Ok(())
            })?;
            gpu.wait()?;
            *shortest = start.elapsed().min(*shortest);
        }
        rounds += 1;
    }
    Ok(shortest[1].saturating_sub(shortest[0]) / (COPIES[1] - COPIES[0]))
}

fn is_gpu(gpu: &Gpu) -> bool {
    Tuning::for_adapter(&gpu.info).form == Form::Parallel
}

struct Kernel {
    pipeline: ComputePipeline,
    bound: BindGroup,
}

impl Kernel {
    fn new(gpu: &Gpu, source: &Buffer, target: &Buffer) -> Self {
        let module = gpu.device.create_shader_module(wgpu::include_wgsl!("copy.wgsl"));
        let pipeline = gpu.device.create_compute_pipeline(&ComputePipelineDescriptor {
            label: Some("copy"),
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: Default::default(),
            cache: None,
        });
        let bound = gpu.device.create_bind_group(&BindGroupDescriptor {
            label: Some("copy"),
            layout: &pipeline.get_bind_group_layout(0),
            entries: &[
                BindGroupEntry { binding: 0, resource: source.as_entire_binding() },
                BindGroupEntry { binding: 1, resource: target.as_entire_binding() },
            ],
        });
        Self { pipeline, bound }
    }

    fn record(&self, encoder: &mut CommandEncoder, groups: u32, most: u32) {
        let x = groups.min(most);
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.bound, &[]);
        pass.dispatch_workgroups(x, groups.div_ceil(x), 1);
    }
}
