//! Bind group layouts and compute pipelines, each built once.

use super::bind::Layout;
use super::shaders::{Reach, Stage, WIDE_WINDOWS, Width};
use crate::guard::Guard;
use crate::{Error, Form, Tuning};
use foldhash::HashMap;
use std::collections::hash_map::Entry;
use wgpu::{
    BindGroupLayoutDescriptor, BindGroupLayoutEntry, BindingType, BufferBindingType,
    ComputePipeline, ComputePipelineDescriptor, Device, PipelineCompilationOptions,
    PipelineLayoutDescriptor, ShaderModuleDescriptor, ShaderSource, ShaderStages,
};

/// A stage with the numbers it is specialised for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kernel {
    pub stage: Stage,
    /// Invocations that share a row or a block; 1 where the stage has no rows.
    pub lanes: u32,
    /// Whether entries have weights.
    pub weighted: bool,
    /// For the stages that take entries: whether the index list is the common one.
    pub plain: bool,
    /// For `partial`: whether it sums entries, or the sums of the level below.
    pub of_entries: bool,
}

/// How a table's gradient is read: what the kernels that read it are specialised for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Gather {
    pub width: Width,
    pub reach: Reach,
    pub lanes: u32,
    pub weighted: bool,
}

impl Kernel {
    pub fn of(stage: Stage) -> Self {
        Self { stage, lanes: 1, weighted: false, plain: false, of_entries: true }
    }

    pub fn inspect(gather: Gather) -> Self {
        Self::of(Stage::Inspect(gather.width, gather.reach))
    }

    pub fn update(form: Form, Gather { width, reach, lanes, weighted }: Gather) -> Self {
        let stage = match form {
            Form::Serial => Stage::UpdateSerial(width, reach),
            Form::Wide => Stage::UpdateWide(width, reach),
        };
        Self { lanes, weighted, ..Self::of(stage) }
    }

    pub fn ingest(form: Form, small: bool, plain: bool) -> Self {
        let stage = match (small, form) {
            (false, _) => Stage::Ingest,
            (true, Form::Serial) => Stage::IngestSmallSerial,
            (true, Form::Wide) => Stage::IngestSmallWide,
        };
        Self { plain, ..Self::of(stage) }
    }

    pub fn partial(gather: Gather, of_entries: bool) -> Self {
        let Gather { width, reach, lanes, weighted } = gather;
        Self { lanes, weighted, of_entries, ..Self::of(Stage::Partial(width, reach)) }
    }

    /// The stage's overrides. The wide sorts' sizes are fixed in their files.
    pub fn constants(self, tuning: &Tuning) -> Vec<(&'static str, f64)> {
        let number = |flag: bool| f64::from(u8::from(flag));
        let workgroup = ("WORKGROUP", f64::from(tuning.workgroup));
        let lanes = ("LANES", f64::from(self.lanes));
        let weighted = ("WEIGHTED", number(self.weighted));
        let plain = ("PLAIN", number(self.plain));
        let spread = ("SPREAD", f64::from(tuning.spread));
        match self.stage {
            Stage::IngestSmallSerial | Stage::IngestSmallWide => vec![plain],
            Stage::SortWideHistogram | Stage::SortWideScan | Stage::SortWideScatter => vec![],
            Stage::Partial(..) => {
                let of_entries = ("OF_ENTRIES", number(self.of_entries));
                let at_once = ("AT_ONCE", f64::from(tuning.sums_at_once));
                vec![workgroup, lanes, weighted, of_entries, at_once, spread]
            }
            Stage::UpdateSerial(..) => {
                vec![workgroup, weighted, spread]
            }
            Stage::UpdateWide(..) => {
                vec![workgroup, lanes, weighted, ("TILE", f64::from(tuning.update_tile))]
            }
            Stage::Ingest => vec![workgroup, plain, ("STRIP", f64::from(tuning.ingest_strip))],
            _ => vec![workgroup],
        }
    }
}

/// What a stage binds. Buffers of the caller's are always `ReadWrite`: an engine may hand out
/// slices of one buffer, which must not be bound both ways in one dispatch.
#[derive(Clone, Copy)]
enum Bound {
    Uniform,
    Read,
    ReadWrite,
}

/// The binding of the first window of values; the others follow it.
const VALUES: u32 = 4;
/// One more than the highest binding of any layout.
pub const MOST_BINDINGS: usize = VALUES as usize + WIDE_WINDOWS;
/// Most uniform buffers of a layout.
pub const MOST_UNIFORMS: u64 = 2;

/// Label, bindings from 0 on, and bindings of values, of each layout.
const LAYOUTS: [(&str, &[Bound], usize); 13] = {
    use Bound::{Read, ReadWrite, Uniform};
    const INGEST: &[Bound] = &[Uniform, Uniform, ReadWrite, ReadWrite, ReadWrite, ReadWrite];
    const INSPECT: &[Bound] = &[Uniform, ReadWrite, ReadWrite, ReadWrite];
    const PARTIAL: &[Bound] = &[Uniform, ReadWrite];
    const UPDATE: &[Bound] = &[Uniform, ReadWrite, ReadWrite, Read];
    [
        ("sparse_adam::ingest", INGEST, 0),
        ("sparse_adam::source", &[Uniform, ReadWrite, ReadWrite, ReadWrite], 0),
        ("sparse_adam::sort_histogram", &[Uniform, Read, ReadWrite], 0),
        ("sparse_adam::sort_scan", &[Uniform, ReadWrite], 0),
        ("sparse_adam::sort_scatter", &[Uniform, Read, ReadWrite, ReadWrite], 0),
        ("sparse_adam::repeats", &[Uniform, Read, ReadWrite], 0),
        ("sparse_adam::inspect", INSPECT, 1),
        ("sparse_adam::inspect", INSPECT, WIDE_WINDOWS),
        ("sparse_adam::partial", PARTIAL, 1),
        ("sparse_adam::partial", PARTIAL, WIDE_WINDOWS),
        ("sparse_adam::update", UPDATE, 1),
        ("sparse_adam::update", UPDATE, WIDE_WINDOWS),
        ("sparse_adam::heads", &[Uniform, ReadWrite], 0),
    ]
};

fn layout_number(stage: Stage) -> usize {
    let wide = |reach| usize::from(reach == Reach::Wide);
    match stage {
        Stage::Ingest | Stage::IngestSmallSerial | Stage::IngestSmallWide => 0,
        Stage::Source => 1,
        Stage::SortSerialHistogram | Stage::SortWideHistogram => 2,
        Stage::SortSerialScan | Stage::SortWideScan => 3,
        Stage::SortSerialScatter | Stage::SortWideScatter => 4,
        Stage::Repeats => 5,
        Stage::Inspect(_, reach) => 6 + wide(reach),
        Stage::Partial(_, reach) => 8 + wide(reach),
        Stage::UpdateSerial(_, reach) | Stage::UpdateWide(_, reach) => 10 + wide(reach),
        Stage::Heads => 12,
    }
}

/// The stages of a sort form: histogram, scan, scatter.
pub fn sort_stages(form: Form) -> [Stage; 3] {
    match form {
        Form::Serial => {
            [Stage::SortSerialHistogram, Stage::SortSerialScan, Stage::SortSerialScatter]
        }
        Form::Wide => [Stage::SortWideHistogram, Stage::SortWideScan, Stage::SortWideScatter],
    }
}

/// Layouts and pipelines made so far, each at its first use.
#[derive(Debug)]
pub struct Pipelines {
    tuning: Tuning,
    layouts: [Option<Layout>; LAYOUTS.len()],
    made: HashMap<Kernel, ComputePipeline>,
}

impl Pipelines {
    /// With the pipelines that every step uses.
    ///
    /// # Errors
    /// As [`Guard::make`].
    pub fn new(guard: &Guard, tuning: &Tuning) -> Result<Self, Error> {
        let layouts = [const { None }; LAYOUTS.len()];
        let mut pipelines = Self { tuning: *tuning, layouts, made: HashMap::default() };
        for small in [false, true] {
            pipelines.prepare(guard, Kernel::ingest(tuning.form, small, true))?;
        }
        if tuning.form == Form::Serial {
            pipelines.prepare(guard, Kernel::of(Stage::Heads))?;
        }
        for stage in sort_stages(tuning.form) {
            pipelines.prepare(guard, Kernel::of(stage))?;
        }
        Ok(pipelines)
    }

    /// Builds the pipelines that read gradients as `gather` says.
    ///
    /// # Errors
    /// As [`Guard::make`].
    pub fn prepare_gather(&mut self, guard: &Guard, gather: Gather) -> Result<(), Error> {
        self.prepare(guard, Kernel::update(self.tuning.form, gather))?;
        self.prepare(guard, Kernel::partial(gather, true))?;
        self.prepare(guard, Kernel::partial(gather, false))
    }

    /// Builds a kernel's pipeline and its layout, if they are not there.
    ///
    /// # Errors
    /// As [`Guard::make`].
    pub fn prepare(&mut self, guard: &Guard, kernel: Kernel) -> Result<(), Error> {
        self.get(guard, kernel).map(drop)
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
        let number = layout_number(kernel.stage);
        let place = &mut self.layouts[number];
        let layout = match place {
            Some(layout) => layout,
            None => place.insert(create_layout(guard, number)?),
        };
        let pipeline = match self.made.entry(kernel) {
            Entry::Occupied(made) => made.into_mut(),
            Entry::Vacant(free) => free.insert(create(guard, &self.tuning, kernel, layout)?),
        };
        Ok((pipeline, layout))
    }

    /// Pipelines built so far.
    pub fn created(&self) -> usize {
        self.made.len()
    }
}

fn create_layout(guard: &Guard, number: usize) -> Result<Layout, Error> {
    let (label, bound, values) = LAYOUTS[number];
    let values = (VALUES..).zip(std::iter::repeat_n(&Bound::ReadWrite, values));
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
    let entries: Vec<_> = (0..).zip(bound).chain(values).map(entry).collect();
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
    let name = kernel.stage.label();
    let label = Some(name);
    let build = |device: &Device| {
        let module = device.create_shader_module(ShaderModuleDescriptor {
            label,
            source: ShaderSource::Wgsl(kernel.stage.source().into()),
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
