//! Forward and backward on rows that were looked up: the kernels of `wordnet`, whose ids name rows of the whole table there,
//! and here rows among those that this rank has.

use sparse_adam::Region;
use sparse_adam_mpi::Rows;
use sparse_adam_testkit::headless::Gpu;
use std::error::Error;
use wgpu::{
    BindGroupDescriptor, BindGroupEntry, BindingResource, Buffer, BufferBinding, BufferDescriptor,
    BufferSize, BufferUsages, CommandEncoder, ComputePassDescriptor, ComputePipeline,
    ComputePipelineDescriptor, ShaderModuleDescriptor, ShaderSource,
};

const WORKGROUP: u32 = 64;

/// Sizes of this rank's part.
#[derive(Clone, Copy)]
pub struct Shape {
    /// Values a row; a multiple of 4.
    pub dim: u32,
    /// Negatives a pair.
    pub negatives: u32,
    /// Most pairs of a batch that this rank has.
    pub batch: u32,
}

impl Shape {
    /// Gradient entries a pair: the noun, its ancestor, the negatives.
    pub fn entries(self) -> u32 {
        2 + self.negatives
    }
}

/// What a batch's kernels are told; `Batch` in the shaders.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct Batch {
    pairs: u32,
    scale: f32,
}

pub struct Pass {
    pub shape: Shape,
    /// The gradient's value rows, f32 `[batch, entries, dim]`.
    pub values: Buffer,
    batch: Buffer,
    losses: Buffer,
    /// One f32: the sum of the losses of this rank's pairs since it was last taken.
    total: Buffer,
    gradient: ComputePipeline,
    sum: ComputePipeline,
}

impl Pass {
    pub fn new(gpu: &Gpu, shape: Shape) -> Self {
        let storage = BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
        let buffer = |label, size: u64, usage| {
            let label = Some(label);
            gpu.device.create_buffer(&BufferDescriptor {
                label,
                size,
                usage,
                mapped_at_creation: false,
            })
        };
        let pairs = u64::from(shape.batch);
        let values = 4 * pairs * u64::from(shape.entries()) * u64::from(shape.dim);
        let (columns, candidates) = (shape.dim / 4, 1 + shape.negatives);
        let constants = format!(
            "const COLUMNS = {columns}u;\nconst CANDIDATES = {candidates}u;\n\
             const WORKGROUP = {WORKGROUP}u;\n"
        );
        let gradient = constants
            + include_str!("../../../../examples/wordnet/embedding_f32.wgsl")
            + include_str!("../../../../examples/wordnet/gradient.wgsl");
        Self {
            shape,
            values: buffer("values", values, storage),
            batch: buffer("batch", 8, BufferUsages::UNIFORM | BufferUsages::COPY_DST),
            losses: buffer("losses", 4 * pairs, storage),
            total: buffer("total", 4, storage),
            gradient: pipeline(gpu, "gradient", &gradient),
            sum: pipeline(gpu, "total", include_str!("../../../../examples/wordnet/total.wgsl")),
        }
    }

    /// Records `own` pairs of a batch of `pairs`, by which the loss is divided on all ranks.
    pub fn record(
        &self,
        gpu: &Gpu,
        encoder: &mut CommandEncoder,
        looked: &Rows,
        (own, pairs): (u32, u32),
    ) {
        let batch = Batch { pairs: own, scale: 1.0 / pairs as f32 };
        gpu.queue.write_buffer(&self.batch, 0, bytemuck::bytes_of(&batch));
        let [batch, values, losses, total] =
            [&self.batch, &self.values, &self.losses, &self.total].map(Region::from);
        let of_gradient = [&batch, &looked.rows, &looked.map, &values, &losses];
        dispatch(gpu, encoder, &self.gradient, &of_gradient, own.div_ceil(WORKGROUP));
        dispatch(gpu, encoder, &self.sum, &[&batch, &losses, &total], 1);
    }

    /// Reads the sum of the losses since the last look, and sets it to 0.
    pub fn take_loss(&self, gpu: &Gpu) -> Result<f64, Box<dyn Error>> {
        let total: Vec<f32> = pollster::block_on(gpu.read(&self.total))?;
        gpu.queue.write_buffer(&self.total, 0, &[0; 4]);
        Ok(total[0].into())
    }
}

fn pipeline(gpu: &Gpu, name: &str, source: &str) -> ComputePipeline {
    let (label, source) = (Some(name), ShaderSource::Wgsl(source.into()));
    let module = gpu.device.create_shader_module(ShaderModuleDescriptor { label, source });
    gpu.device.create_compute_pipeline(&ComputePipelineDescriptor {
        label,
        layout: None,
        module: &module,
        entry_point: None,
        compilation_options: Default::default(),
        cache: None,
    })
}

fn dispatch(
    gpu: &Gpu,
    encoder: &mut CommandEncoder,
    pipeline: &ComputePipeline,
    bound: &[&Region],
    workgroups: u32,
) {
    let entries = (0..).zip(bound).map(|(binding, region)| {
        let (buffer, offset) = (region.buffer(), region.offset());
        let size = BufferSize::new(region.size());
        let resource = BindingResource::Buffer(BufferBinding { buffer, offset, size });
        BindGroupEntry { binding, resource }
    });
    let entries: Vec<_> = entries.collect();
    let layout = &pipeline.get_bind_group_layout(0);
    let descriptor = BindGroupDescriptor { label: None, layout, entries: &entries };
    let bindings = gpu.device.create_bind_group(&descriptor);
    let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor::default());
    pass.set_pipeline(pipeline);
    pass.set_bind_group(0, &bindings, &[]);
    pass.dispatch_workgroups(workgroups, 1, 1);
}
