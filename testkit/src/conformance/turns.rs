//! Whether the driver lets an invocation take the loop turns that the planner relies on.

use super::finding::Finding;
use super::setting::Setting;
use sparse_adam::Error;
use wgpu::util::{BufferInitDescriptor, DeviceExt};
use wgpu::{
    BindGroupDescriptor, BindGroupEntry, Buffer, BufferUsages, ComputePassDescriptor,
    ComputePipelineDescriptor, PipelineCompilationOptions, ShaderModuleDescriptor, ShaderSource,
};

/// Loop turns that [`Law::Turns`](super::Law::Turns) makes an invocation take: as many as the
/// library ever plans for one.
pub const TURNS: u32 = 53_248;

/// Turns of the outer, the inner and the second loop; with the last turn of each, which runs no
/// body, they are TURNS.
const OUTER: u32 = 127;
const INNER: u32 = 200;
const SECOND: u32 = TURNS - OUTER * (INNER + 2) - 2;

pub(super) async fn turns(on: Setting<'_>, finding: &mut Finding) -> Result<(), Error> {
    let mut rng = on.rng(0);
    let added: Vec<u32> = (0..8).map(|_| rng.below(1 << 30) as u32).collect();
    let words = on.gpu.upload("turns", &[added.clone(), vec![0; 8]].concat());
    dispatch(on, &words)?;
    let found: Vec<u32> = on.gpu.read(&words).await?;
    let expected: Vec<u32> = (0..8).map(|local| after_all_turns(local, &added)).collect();
    finding.equal("what the loops leave", found[8..].to_vec(), expected);
    Ok(())
}

fn after_all_turns(local: u32, added: &[u32]) -> u32 {
    let next =
        |state: u32, _| state.wrapping_mul(1_664_525).wrapping_add(added[(state & 7) as usize]);
    (0..OUTER * INNER + SECOND).fold(local, next)
}

fn dispatch(on: Setting<'_>, words: &Buffer) -> Result<(), Error> {
    let (device, label) = (&on.gpu.device, Some("sparse_adam::conformance_turns"));
    let turns = device.create_buffer_init(&BufferInitDescriptor {
        label,
        contents: bytemuck::bytes_of(&[OUTER, INNER, SECOND, 0]),
        usage: BufferUsages::UNIFORM,
    });
    let source = ShaderSource::Wgsl(include_str!("turns.wgsl").into());
    let module = device.create_shader_module(ShaderModuleDescriptor { label, source });
    let pipeline = device.create_compute_pipeline(&ComputePipelineDescriptor {
        label,
        layout: None,
        module: &module,
        entry_point: Some("main"),
        compilation_options: PipelineCompilationOptions::default(),
        cache: None,
    });
    let group = device.create_bind_group(&BindGroupDescriptor {
        label,
        layout: &pipeline.get_bind_group_layout(0),
        entries: &[
            BindGroupEntry { binding: 0, resource: turns.as_entire_binding() },
            BindGroupEntry { binding: 1, resource: words.as_entire_binding() },
        ],
    });
    on.gpu.submit(|encoder| {
        let descriptor = ComputePassDescriptor { label, timestamp_writes: None };
        let mut pass = encoder.begin_compute_pass(&descriptor);
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(1, 1, 1);
        Ok(())
    })
}
