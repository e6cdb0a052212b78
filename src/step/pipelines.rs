//! Bind group layouts and compute pipelines, each built once.

use super::bind::Layout;
use super::kernel::Kernel;
use super::stages::{Bound, FIRST_VALUES};
use crate::guard::Guard;
use crate::{Error, Tuning};
use foldhash::HashMap;
use std::collections::hash_map::Entry;
use wgpu::{
    BindGroupLayoutDescriptor, BindGroupLayoutEntry, BindingType, BufferBindingType,
    ComputePipeline, ComputePipelineDescriptor, Device, PipelineCompilationOptions,
    PipelineLayoutDescriptor, ShaderModuleDescriptor, ShaderSource, ShaderStages,
};

/// Layouts and pipelines made so far, each at its first use.
#[derive(Debug)]
pub struct Pipelines {
    tuning: Tuning,
    /// By what is bound, and how many bindings of values follow.
    layouts: Vec<(&'static [Bound], usize, Layout)>,
    made: HashMap<Kernel, (ComputePipeline, usize)>,
}

impl Pipelines {
    pub fn new(tuning: &Tuning) -> Self {
        Self { tuning: *tuning, layouts: Vec::new(), made: HashMap::default() }
    }

    /// A kernel's pipeline and layout; built if they are not there.
    ///
    /// # Errors
    /// As [`Guard::make`].
    pub fn get(
        &mut self,
        guard: &Guard,
        kernel: Kernel,
    ) -> Result<(&ComputePipeline, &Layout), Error> {
        let (pipeline, layout) = match self.made.entry(kernel) {
            Entry::Occupied(made) => made.into_mut(),
            Entry::Vacant(free) => {
                let number = layout_of(&mut self.layouts, guard, kernel)?;
                let pipeline = create(guard, &self.tuning, kernel, &self.layouts[number].2)?;
                free.insert((pipeline, number))
            }
        };
        Ok((pipeline, &self.layouts[*layout].2))
    }

    /// Pipelines built so far.
    pub fn created(&self) -> usize {
        self.made.len()
    }
}

/// The number of a kernel's layout, which stages that bind alike share.
fn layout_of(
    layouts: &mut Vec<(&'static [Bound], usize, Layout)>,
    guard: &Guard,
    kernel: Kernel,
) -> Result<usize, Error> {
    let (bound, values) = (kernel.stage.spec().bound, kernel.value_bindings());
    let known = layouts.iter().position(|held| (held.0, held.1) == (bound, values));
    if let Some(number) = known {
        return Ok(number);
    }
    let number = layouts.len();
    layouts.push((bound, values, create_layout(guard, kernel, number)?));
    Ok(number)
}

fn create_layout(guard: &Guard, kernel: Kernel, number: usize) -> Result<Layout, Error> {
    let spec = kernel.stage.spec();
    let values = std::iter::repeat_n(&Bound::ReadWrite, kernel.value_bindings());
    let entry = |(binding, bound): (u32, &Bound)| BindGroupLayoutEntry {
        binding,
        visibility: ShaderStages::COMPUTE,
        ty: BindingType::Buffer {
            ty: match bound {
                Bound::Uniform => BufferBindingType::Uniform,
                Bound::Read => BufferBindingType::Storage { read_only: true },
                Bound::ReadWrite => BufferBindingType::Storage { read_only: false },
            },
            has_dynamic_offset: matches!(bound, Bound::Uniform),
            min_binding_size: None,
        },
        count: None,
    };
    let numbered = (0..).zip(spec.bound).chain((FIRST_VALUES..).zip(values));
    let entries: Vec<_> = numbered.map(entry).collect();
    let label = spec.label;
    let descriptor = BindGroupLayoutDescriptor { label: Some(label), entries: &entries };
    let layout = guard.make(label, 0, |device| device.create_bind_group_layout(&descriptor))?;
    let bindings = entries.iter().map(|entry| entry.binding).collect();
    Ok(Layout { number, label, bindings, layout })
}

fn create(
    guard: &Guard,
    tuning: &Tuning,
    kernel: Kernel,
    layout: &Layout,
) -> Result<ComputePipeline, Error> {
    let name = kernel.stage.spec().label;
    let label = Some(name);
    let build = |device: &Device| {
        let module = device.create_shader_module(ShaderModuleDescriptor {
            label,
            source: ShaderSource::Wgsl(kernel.wgsl().into()),
        });
        let pipeline_layout = device.create_pipeline_layout(&PipelineLayoutDescriptor {
            label,
            bind_group_layouts: &[Some(&layout.layout)],
            immediate_size: 0,
        });
        device.create_compute_pipeline(&ComputePipelineDescriptor {
            label,
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: PipelineCompilationOptions {
                constants: &kernel.constants(tuning),
                // Every shader initialises the workgroup memory that it reads.
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        })
    };
    guard.make(name, 0, build)
}
