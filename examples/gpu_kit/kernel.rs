//! Pipelines and what they are bound to.

use wgpu::util::DeviceExt;
use wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, Buffer, BufferUsages, ComputePass,
    ComputePipeline, ComputePipelineDescriptor, Device, PipelineCompilationOptions,
    ShaderModuleDescriptor, ShaderSource,
};

/// A compiled entry point.
pub struct Kernel(ComputePipeline);

/// A dispatch.
pub struct Work {
    pipeline: ComputePipeline,
    bound: BindGroup,
    groups: u32,
}

impl Kernel {
    pub fn new(device: &Device, source: &str, entry: &str, constants: &[(&str, f64)]) -> Self {
        let module = device.create_shader_module(ShaderModuleDescriptor {
            label: Some(entry),
            source: ShaderSource::Wgsl(source.into()),
        });
        Self(device.create_compute_pipeline(&ComputePipelineDescriptor {
            label: Some(entry),
            layout: None,
            module: &module,
            entry_point: Some(entry),
            compilation_options: PipelineCompilationOptions {
                constants,
                // Every kernel here sets what it reads; through GL, Mesa takes minutes to compile the zeros.
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        }))
    }

    /// `groups` workgroups on buffers by their binding numbers; `config` is binding 0.
    pub fn work(
        &self,
        device: &Device,
        groups: u32,
        config: [u32; 4],
        buffers: &[(u32, &Buffer)],
    ) -> Work {
        let config = device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: Some("gpu_kit"),
            contents: bytemuck::cast_slice(&config),
            usage: BufferUsages::UNIFORM,
        });
        let mut entries = vec![BindGroupEntry { binding: 0, resource: config.as_entire_binding() }];
        for &(binding, buffer) in buffers {
            entries.push(BindGroupEntry { binding, resource: buffer.as_entire_binding() });
        }
        let bound = device.create_bind_group(&BindGroupDescriptor {
            label: Some("gpu_kit"),
            layout: &self.0.get_bind_group_layout(0),
            entries: &entries,
        });
        Work { pipeline: self.0.clone(), bound, groups }
    }
}

impl Work {
    pub fn record(&self, pass: &mut ComputePass<'_>) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.bound, &[]);
        pass.dispatch_workgroups(self.groups, 1, 1);
    }
}
