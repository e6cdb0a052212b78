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
    ComputePipeline, ComputePipelineDescriptor, Device, PipelineCache, PipelineCompilationOptions,
    PipelineLayoutDescriptor, ShaderModuleDescriptor, ShaderSource, ShaderStages,
};

/// Layouts and pipelines made so far, each at its first use.
#[derive(Debug)]
pub struct Pipelines {
    tuning: Tuning,
    /// Where the driver keeps what it compiles, if the caller has such a place.
    pub cache: Option<PipelineCache>,
    layouts: Layouts,
    /// Each with the place of its layout.
    made: HashMap<Kernel, (ComputePipeline, usize)>,
}

impl Pipelines {
    pub fn new(tuning: &Tuning) -> Self {
        let (layouts, made) = (Layouts::default(), HashMap::default());
        Self { tuning: *tuning, cache: None, layouts, made }
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
        let Self { tuning, cache, layouts, made } = self;
        let (pipeline, at) = match made.entry(kernel) {
            Entry::Occupied(made) => made.into_mut(),
            Entry::Vacant(free) => {
                let at = layouts.place_of(guard, kernel)?;
                let layout = &layouts.held[at].layout;
                let pipeline = create(guard, (tuning, cache.as_ref()), kernel, layout)?;
                free.insert((pipeline, at))
            }
        };
        Ok((pipeline, &layouts.held[*at].layout))
    }

    /// Forgets all, because some may have been refused since.
    pub fn forget(&mut self) {
        self.made.clear();
        self.layouts.held.clear();
    }

    /// Pipelines built so far.
    pub fn created(&self) -> usize {
        self.made.len()
    }
}

#[derive(Debug, Default)]
struct Layouts {
    held: Vec<Held>,
    /// Numbers given so far. None is given twice, so that no bind group of a layout that was forgotten
    /// is taken for one of another.
    numbers: usize,
}

/// A layout, what it binds, and how many bindings of values follow.
#[derive(Debug)]
struct Held {
    bound: &'static [Bound],
    values: usize,
    layout: Layout,
}

impl Layouts {
    /// The place of a kernel's layout, which stages that bind alike share.
    fn place_of(&mut self, guard: &Guard, kernel: Kernel) -> Result<usize, Error> {
        let (bound, values) = (kernel.stage.spec().bound, kernel.value_bindings());
        let known = self.held.iter().position(|held| (held.bound, held.values) == (bound, values));
        if let Some(place) = known {
            return Ok(place);
        }
        let layout = create_layout(guard, kernel, self.numbers)?;
        self.numbers += 1;
        self.held.push(Held { bound, values, layout });
        Ok(self.held.len() - 1)
    }
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
    (tuning, cache): (&Tuning, Option<&PipelineCache>),
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
            cache,
        })
    };
    guard.make(name, 0, build)
}
