//! Bind group layouts and compute pipelines, each built once.

use super::bind::Layout;
use super::shaders::{Stage, Width};
use crate::{SortForm, Tuning};
use std::collections::HashMap;
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
    /// For `partial`: whether it sums entries, or the sums of the level below.
    pub of_entries: bool,
}

impl Kernel {
    pub fn of(stage: Stage) -> Self {
        Self { stage, lanes: 1, of_entries: true }
    }

    pub fn update(width: Width, lanes: u32) -> Self {
        Self { lanes, ..Self::of(Stage::Update(width)) }
    }

    pub fn partial(width: Width, lanes: u32, of_entries: bool) -> Self {
        Self { lanes, of_entries, ..Self::of(Stage::Partial(width)) }
    }

    /// The stage's overrides. The wide sort's sizes are fixed in its files.
    pub fn constants(self, tuning: &Tuning) -> Vec<(&'static str, f64)> {
        let mut constants = vec![("WORKGROUP", f64::from(tuning.workgroup))];
        match self.stage {
            Stage::SortWideHistogram | Stage::SortWideScan | Stage::SortWideScatter => {
                constants.clear();
            }
            Stage::Partial(_) => {
                constants.push(("LANES", f64::from(self.lanes)));
                constants.push(("OF_ENTRIES", f64::from(u8::from(self.of_entries))));
            }
            Stage::Update(_) => {
                constants.push(("LANES", f64::from(self.lanes)));
                constants.push(("TILE", f64::from(tuning.update_tile)));
            }
            _ => {}
        }
        constants
    }
}

/// What a stage binds, in order. Buffers of the caller's are always `ReadWrite`: an engine may
/// hand out slices of one buffer, which must not be bound both ways in one dispatch.
#[derive(Clone, Copy)]
enum Bound {
    Uniform,
    Read,
    ReadWrite,
}

/// Layouts in the order of [`layout_number`].
const LAYOUTS: [(&str, &[Bound]); 6] = {
    use Bound::{Read, ReadWrite, Uniform};
    [
        ("sparse_adam::ingest", &[Uniform, Uniform, ReadWrite, ReadWrite, ReadWrite, ReadWrite]),
        ("sparse_adam::sort_histogram", &[Uniform, Read, ReadWrite]),
        ("sparse_adam::sort_scan", &[Uniform, ReadWrite]),
        ("sparse_adam::sort_scatter", &[Uniform, Read, ReadWrite, ReadWrite]),
        ("sparse_adam::partial", &[Uniform, ReadWrite, ReadWrite]),
        ("sparse_adam::update", &[Uniform, ReadWrite, ReadWrite, ReadWrite, Read]),
    ]
};

fn layout_number(stage: Stage) -> usize {
    match stage {
        Stage::Ingest => 0,
        Stage::SortSerialHistogram | Stage::SortWideHistogram => 1,
        Stage::SortSerialScan | Stage::SortWideScan => 2,
        Stage::SortSerialScatter | Stage::SortWideScatter => 3,
        Stage::Partial(_) => 4,
        Stage::Update(_) => 5,
    }
}

/// The stages of a sort form: histogram, scan, scatter.
pub fn sort_stages(form: SortForm) -> [Stage; 3] {
    match form {
        SortForm::Serial => {
            [Stage::SortSerialHistogram, Stage::SortSerialScan, Stage::SortSerialScatter]
        }
        SortForm::Wide => [Stage::SortWideHistogram, Stage::SortWideScan, Stage::SortWideScatter],
    }
}

/// All layouts, and the pipelines made so far.
#[derive(Debug)]
pub struct Pipelines {
    layouts: Vec<Layout>,
    made: HashMap<Kernel, ComputePipeline>,
}

impl Pipelines {
    /// Layouts, and the pipelines that every step uses.
    pub fn new(device: &Device, tuning: &Tuning) -> Self {
        let layouts = LAYOUTS.iter().enumerate();
        let layouts = layouts.map(|(number, &(label, bound))| Layout {
            number,
            label,
            layout: create_layout(device, label, bound),
        });
        let mut pipelines = Self { layouts: layouts.collect(), made: HashMap::new() };
        pipelines.prepare(device, tuning, Kernel::of(Stage::Ingest));
        for stage in sort_stages(tuning.sort) {
            pipelines.prepare(device, tuning, Kernel::of(stage));
        }
        pipelines
    }

    /// Builds the pipelines that a table of `dim` needs.
    pub fn prepare_table(&mut self, device: &Device, tuning: &Tuning, dim: u32) {
        let (width, lanes) = (Width::of(dim), tuning.lanes(super::plan::columns(dim)));
        self.prepare(device, tuning, Kernel::update(width, lanes));
        self.prepare(device, tuning, Kernel::partial(width, lanes, true));
        self.prepare(device, tuning, Kernel::partial(width, lanes, false));
    }

    fn prepare(&mut self, device: &Device, tuning: &Tuning, kernel: Kernel) {
        let layout = &self.layouts[layout_number(kernel.stage)];
        self.made.entry(kernel).or_insert_with(|| create(device, tuning, kernel, layout));
    }

    /// A prepared kernel's pipeline and layout.
    ///
    /// # Panics
    /// If the kernel was not prepared, which is a defect of this library.
    pub fn get(&self, kernel: Kernel) -> (&ComputePipeline, &Layout) {
        (&self.made[&kernel], &self.layouts[layout_number(kernel.stage)])
    }

    /// Pipelines built so far.
    pub fn created(&self) -> usize {
        self.made.len()
    }
}

fn create_layout(
    device: &Device,
    label: &'static str,
    bound: &[Bound],
) -> wgpu::BindGroupLayout {
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
    let entries: Vec<_> = (0..).zip(bound).map(entry).collect();
    device.create_bind_group_layout(&BindGroupLayoutDescriptor {
        label: Some(label),
        entries: &entries,
    })
}

fn create(device: &Device, tuning: &Tuning, kernel: Kernel, layout: &Layout) -> ComputePipeline {
    let label = Some(kernel.stage.label());
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
}
