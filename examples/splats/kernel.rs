//! A compute pipeline, and what it is bound to.

use wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, Buffer, ComputePass, ComputePipeline,
    ComputePipelineDescriptor, Device, ShaderModuleDescriptor, ShaderSource,
};

pub struct Kernel {
    pipeline: ComputePipeline,
    label: &'static str,
}

impl Kernel {
    /// The kernel `main` of `source`, which knows all of splat.wgsl.
    pub fn new(device: &Device, name: &'static str, source: &str) -> Self {
        let label = Some(name);
        let source = ShaderSource::Wgsl((include_str!("splat.wgsl").to_string() + source).into());
        let module = device.create_shader_module(ShaderModuleDescriptor { label, source });
        let pipeline = device.create_compute_pipeline(&ComputePipelineDescriptor {
            label,
            layout: None,
            module: &module,
            entry_point: None,
            compilation_options: Default::default(),
            cache: None,
        });
        Self { pipeline, label: name }
    }

    /// Its bindings from 0 on, whole buffers.
    pub fn bind(&self, device: &Device, bound: &[&Buffer]) -> BindGroup {
        let resources = bound.iter().map(|buffer| buffer.as_entire_binding());
        let entries: Vec<_> = (0..)
            .zip(resources)
            .map(|(binding, resource)| BindGroupEntry { binding, resource })
            .collect();
        let layout = &self.pipeline.get_bind_group_layout(0);
        device.create_bind_group(&BindGroupDescriptor {
            label: Some(self.label),
            layout,
            entries: &entries,
        })
    }

    pub fn dispatch(&self, pass: &mut ComputePass<'_>, bindings: &BindGroup, workgroups: u32) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, bindings, &[]);
        pass.dispatch_workgroups(workgroups, 1, 1);
    }
}
