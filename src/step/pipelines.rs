//! Bind group layouts and compute pipelines, each built once.

use super::bind::Layout;
use super::bind::arrays::ArrayLayout;
use super::kernel::Kernel;
use super::kernel::items::Pooled;
use super::stages::{Bound, FIRST_VALUES, SCALARS};
use crate::guard::{Asked, Guard};
use crate::{Error, Tuning};
use foldhash::HashMap;
use std::collections::hash_map::Entry;
use std::num::NonZeroU32;
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
    made: HashMap<Kernel, Made>,
}

impl Pipelines {
    pub fn new(tuning: &Tuning) -> Self {
        let (layouts, made) = (Layouts::default(), HashMap::default());
        Self { tuning: *tuning, cache: None, layouts, made }
    }

    /// A kernel's pipeline and layout; built if they are not there. While the device has not said
    /// whether it made a pipeline, `guard` waits for the verdict too, whoever asked for it.
    ///
    /// # Errors
    /// As [`Guard::make`].
    pub fn get(
        &mut self,
        guard: &Guard,
        kernel: Kernel,
    ) -> Result<(&ComputePipeline, &Layout), Error> {
        if self.made.get_mut(&kernel).is_some_and(Made::was_refused) {
            self.forget();
        }
        let Self { tuning, cache, layouts, made } = self;
        let Made { pipeline, layout, open } = match made.entry(kernel) {
            Entry::Occupied(made) => made.into_mut(),
            Entry::Vacant(free) => {
                let at = layouts.place_of(guard, kernel)?;
                let held = &layouts.held[at].layout;
                free.insert(create(guard, (tuning, cache.as_ref()), kernel, (at, held))?)
            }
        };
        if let Some(open) = open {
            guard.hear_late(open.clone());
        }
        Ok((pipeline, &layouts.held[*layout].layout))
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

#[derive(Debug)]
struct Made {
    pipeline: ComputePipeline,
    /// The place of its layout.
    layout: usize,
    /// What the device has still to say of it.
    open: Option<Asked>,
}

impl Made {
    /// Whether the device has refused it since.
    fn was_refused(&mut self) -> bool {
        let refused = self.open.as_ref().and_then(Asked::is_refused);
        self.open.take_if(|_| refused == Some(false));
        refused == Some(true)
    }
}

#[derive(Debug, Default)]
struct Layouts {
    held: Vec<Held>,
    /// Numbers given so far, a second one for arrays. None is given twice, so that no bind group of a layout that was forgotten
    /// is taken for one of another.
    numbers: usize,
}

/// A layout, what it binds, of how many items in which way, how many bindings of values follow, and whether scalars do.
#[derive(Debug)]
struct Held {
    binds: Binds,
    layout: Layout,
}

type Binds = (&'static [Bound], (u32, Pooled, bool), usize, bool);

impl Layouts {
    /// The place of a kernel's layout, which stages that bind alike share.
    fn place_of(&mut self, guard: &Guard, kernel: Kernel) -> Result<usize, Error> {
        let values = kernel.value_bindings();
        let binds = (
            kernel.stage.spec().bound,
            (kernel.items, kernel.pooled, kernel.in_arrays),
            values,
            kernel.reads_scalars(),
        );
        let known = self.held.iter().position(|held| held.binds == binds);
        if let Some(place) = known {
            return Ok(place);
        }
        let layout = create_layout(guard, kernel, self.numbers)?;
        self.numbers += 2;
        self.held.push(Held { binds, layout });
        Ok(self.held.len() - 1)
    }
}

fn create_layout(guard: &Guard, kernel: Kernel, number: usize) -> Result<Layout, Error> {
    let spec = kernel.stage.spec();
    let values = std::iter::repeat_n(Bound::ReadWrite, kernel.value_bindings());
    let entry = |(binding, bound): (u32, Bound)| BindGroupLayoutEntry {
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
    let mut entries: Vec<_> = match kernel.items {
        1 => (0..)
            .zip(spec.bound.iter().copied())
            .chain((FIRST_VALUES..).zip(values))
            .map(entry)
            .collect(),
        _ => kernel.items_bound().into_iter().map(entry).collect(),
    };
    if kernel.reads_scalars() {
        let mut scalars = entry((SCALARS, Bound::Uniform));
        if let BindingType::Buffer { has_dynamic_offset, .. } = &mut scalars.ty {
            *has_dynamic_offset = false;
        }
        entries.push(scalars);
    }
    let label = spec.label;
    let descriptor = BindGroupLayoutDescriptor { label: Some(label), entries: &entries };
    let layout = guard.make(label, 0, |device| device.create_bind_group_layout(&descriptor))?;
    let bindings = entries.iter().map(|entry| entry.binding).collect();
    let arrays = kernel.in_arrays.then(|| create_arrays(guard, kernel, number + 1)).transpose()?;
    Ok(Layout { number, label, bindings, layout, arrays })
}

fn create_arrays(guard: &Guard, kernel: Kernel, number: usize) -> Result<ArrayLayout, Error> {
    let entry = |binding| BindGroupLayoutEntry {
        binding,
        visibility: ShaderStages::COMPUTE,
        ty: BindingType::Buffer {
            ty: BufferBindingType::Storage { read_only: false },
            has_dynamic_offset: false,
            min_binding_size: None,
        },
        count: NonZeroU32::new(kernel.items),
    };
    let label = kernel.stage.spec().label;
    let bindings: Vec<_> = kernel.arrays().collect();
    let entries: Vec<_> = bindings.iter().copied().map(entry).collect();
    let descriptor = BindGroupLayoutDescriptor { label: Some(label), entries: &entries };
    let layout = guard.make(label, 0, |device| device.create_bind_group_layout(&descriptor))?;
    Ok(ArrayLayout { number, label, bindings, elements: kernel.items as usize, layout })
}

fn create(
    guard: &Guard,
    (tuning, cache): (&Tuning, Option<&PipelineCache>),
    kernel: Kernel,
    (place, layout): (usize, &Layout),
) -> Result<Made, Error> {
    let name = kernel.stage.spec().label;
    let label = Some(name);
    let arrays = layout.arrays.iter().map(|arrays| Some(&arrays.layout));
    let groups: Vec<_> = [Some(&layout.layout)].into_iter().chain(arrays).collect();
    let build = |device: &Device| {
        let module = device.create_shader_module(ShaderModuleDescriptor {
            label,
            source: ShaderSource::Wgsl(kernel.wgsl(tuning).into()),
        });
        let pipeline_layout = device.create_pipeline_layout(&PipelineLayoutDescriptor {
            label,
            bind_group_layouts: &groups,
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
    let mut asked = Vec::new();
    let pipeline = guard.make_asking(name, 0, &mut asked, build)?;
    Ok(Made { pipeline, layout: place, open: asked.pop() })
}
