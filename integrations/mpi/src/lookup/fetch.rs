//! The kernel that copies rows which are asked for, and what it is bound to.

use crate::device::Gpu;
use sparse_adam::{Error, Format, Region, RowWindow};
use wgpu::{
    BindGroupDescriptor, BindGroupEntry, BindingResource, Buffer, BufferBinding, BufferSize,
    BufferUsages, ComputePassDescriptor, ComputePipeline, ComputePipelineDescriptor,
    ShaderModuleDescriptor, ShaderSource,
};

/// Bytes of values that are copied at once, unless a row has more.
const PART_BYTES: usize = 8 << 20;
/// Invocations of a workgroup, as in the shader.
const WORKGROUP: u32 = 64;
/// Most workgroups on one axis, of any device.
const AXIS: u32 = 65_535;

/// What the shader is told; `Fetch` there.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct Told {
    first_row: u32,
    rows: u32,
    dim: u32,
    values: u32,
    halves: u32,
    padding: [u32; 3],
}

/// The kernel, and buffers that are kept.
#[derive(Debug)]
pub(crate) struct Fetch {
    pipeline: ComputePipeline,
    told: Buffer,
    asked: Option<Buffer>,
    found: Option<Buffer>,
}

/// Values that were fetched, a word for each: the bits of an f32, or of a number of 16 bits.
#[derive(Debug, PartialEq)]
pub(crate) struct Gathered {
    pub words: Vec<u32>,
    format: Format,
}

impl Gathered {
    /// The words that `values` of them travel as.
    pub fn packed(&self, values: std::ops::Range<usize>) -> Vec<u32> {
        let words = &self.words[values];
        match self.format {
            Format::F32 => words.to_vec(),
            _ => words.chunks(2).map(|pair| pair[0] | pair.get(1).unwrap_or(&0) << 16).collect(),
        }
    }
}

/// How many words `values` of a format take.
pub(crate) fn words_of(format: Format, values: u64) -> u64 {
    match format {
        Format::F32 => values,
        _ => values.div_ceil(2),
    }
}

impl Fetch {
    /// # Errors
    /// As [`Gpu::buffer`]; so of all that follows.
    pub fn new(gpu: &Gpu) -> Result<Self, Error> {
        let label = Some("sparse_adam_mpi fetch");
        let source = ShaderSource::Wgsl(include_str!("fetch.wgsl").into());
        let module = ShaderModuleDescriptor { label, source };
        let pipeline = gpu.heard("the kernel that looks rows up", 0, || {
            let module = gpu.device.create_shader_module(module);
            gpu.device.create_compute_pipeline(&ComputePipelineDescriptor {
                label,
                layout: None,
                module: &module,
                entry_point: None,
                compilation_options: Default::default(),
                cache: None,
            })
        })?;
        let usage = BufferUsages::UNIFORM | BufferUsages::COPY_DST;
        let told = gpu.buffer("what is looked up", size_of::<Told>() as u64, usage)?;
        Ok(Self { pipeline, told, asked: None, found: None })
    }

    /// The values of `rows` of a table that lies in `windows`, after everything submitted so far.
    pub fn rows(
        &mut self,
        gpu: &Gpu,
        (windows, format, dim): (&[RowWindow], Format, usize),
        rows: &[u32],
    ) -> Result<Gathered, Error> {
        let mut words = Vec::with_capacity(rows.len() * dim);
        for part in rows.chunks((PART_BYTES / 4 / dim).max(1)) {
            let what = "rows that are looked up";
            let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST;
            let asked = gpu.at_least(what, &mut self.asked, 4 * part.len() as u64, usage)?;
            gpu.write(what, asked.buffer(), part)?;
            let bytes = 4 * (part.len() * dim) as u64;
            let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC;
            let found = gpu.at_least(what, &mut self.found, bytes, usage)?;
            for window in windows {
                let told = Told {
                    first_row: window.first_row,
                    rows: window.rows,
                    dim: dim as u32,
                    values: (part.len() * dim) as u32,
                    halves: u32::from(format != Format::F32),
                    padding: [0; 3],
                };
                gpu.write(what, &self.told, bytemuck::cast_slice(&[told]))?;
                self.dispatch(gpu, [&asked, &window.region, &found], told.values)?;
            }
            words.extend(gpu.read(what, &[found])?.remove(0));
        }
        Ok(Gathered { words, format })
    }

    fn dispatch(&self, gpu: &Gpu, bound: [&Region; 3], values: u32) -> Result<(), Error> {
        let groups = values.div_ceil(WORKGROUP);
        let grid = (groups.min(AXIS), groups.div_ceil(AXIS));
        gpu.submit(|encoder| {
            let told = self.told.as_entire_binding();
            let buffers = bound.map(|region| {
                let (offset, size) = (region.offset(), BufferSize::new(region.size()));
                BindingResource::Buffer(BufferBinding { buffer: region.buffer(), offset, size })
            });
            let resources = std::iter::once(told).chain(buffers);
            let entry = |(binding, resource)| BindGroupEntry { binding, resource };
            let entries: Vec<_> = (0..).zip(resources).map(entry).collect();
            gpu.heard("rows that are looked up", 0, || {
                let layout = &self.pipeline.get_bind_group_layout(0);
                let descriptor = BindGroupDescriptor { label: None, layout, entries: &entries };
                let bindings = gpu.device.create_bind_group(&descriptor);
                let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor::default());
                pass.set_pipeline(&self.pipeline);
                pass.set_bind_group(0, &bindings, &[]);
                pass.dispatch_workgroups(grid.0, grid.1, 1);
            })
        })
    }
}
