//! The GPU's part: the embedding, and the kernels that write its sparse gradient.
//!
//! It needs a device, a queue and an optimizer, and never waits, so it also serves where
//! nothing may wait: in a browser, or inside an engine.

use sparse_adam::{Error, Format, Param, ParamId, Rounding, SparseAdam, SparseGrad};
use wgpu::util::{BufferInitDescriptor, DeviceExt};
use wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, Buffer, BufferDescriptor, BufferUsages,
    CommandEncoder, ComputePass, ComputePassDescriptor, ComputePipeline, ComputePipelineDescriptor,
    Device, Queue, ShaderModuleDescriptor, ShaderSource,
};

/// Pairs a workgroup: invocations are independent, so small groups spread over a CPU's cores
/// and still fill a GPU's lanes.
const WORKGROUP: u32 = 64;

/// Sizes of the model.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Rows of the embedding.
    pub nouns: u32,
    /// Values a row; a multiple of 4.
    pub dim: u32,
    /// Negatives a pair.
    pub negatives: u32,
    /// Most pairs a batch.
    pub batch: u32,
    pub stored: Stored,
}

/// How the embedding and its moments are stored.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stored {
    pub format: Format,
    pub moments: Format,
    pub rounding: Rounding,
}

impl Shape {
    /// Gradient entries a pair: the noun, its ancestor, the negatives.
    pub fn entries(&self) -> u32 {
        2 + self.negatives
    }

    /// Bytes of the embedding.
    pub fn embedding_bytes(&self) -> u64 {
        let bytes = if self.stored.format == Format::F32 { 4 } else { 2 };
        bytes * u64::from(self.nouns) * u64::from(self.dim)
    }

    /// Bytes of the value rows of a whole batch.
    pub fn value_bytes(&self) -> u64 {
        4 * u64::from(self.batch) * u64::from(self.entries()) * u64::from(self.dim)
    }
}

/// What a batch's kernels are told; `Batch` in the shaders.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct Batch {
    pairs: u32,
    scale: f32,
}

/// An embedding and the buffers and kernels to train it.
pub struct Model {
    pub shape: Shape,
    /// `[nouns, dim]`, of the shape's format.
    pub embedding: Buffer,
    /// One f32: the sum of the losses of all pairs since it was last set to 0.
    pub total: Buffer,
    /// The embedding, to the optimizer.
    pub param: ParamId,
    batch: Buffer,
    /// The gradient's indices, u32 `[batch, entries]`.
    ids: Buffer,
    /// The gradient's value rows, f32 `[batch, entries, dim]`.
    pub values: Buffer,
    gradient: Kernel,
    sum: Kernel,
}

impl Model {
    /// A model whose embedding starts as `initial`, `[nouns, dim]`, added to `optimizer`.
    pub fn new(
        device: &Device,
        optimizer: &mut SparseAdam,
        shape: Shape,
        initial: &[f32],
    ) -> Result<Self, Error> {
        let embedding = device.create_buffer_init(&BufferInitDescriptor {
            label: Some("wordnet embedding"),
            contents: bytemuck::cast_slice(&shape.stored.format.pack(initial)),
            usage: STORAGE,
        });
        let Stored { format, moments, rounding } = shape.stored;
        let param = Param::new("nouns", &embedding, [shape.nouns, shape.dim]);
        let param = param.format(format).moments(moments).rounding(rounding);
        let param = optimizer.add_param(param)?;
        let pairs = u64::from(shape.batch);
        let batch = buffer(device, "batch", 8, BufferUsages::UNIFORM | BufferUsages::COPY_DST);
        let ids = buffer(device, "ids", 4 * pairs * u64::from(shape.entries()), STORAGE);
        let values = buffer(device, "values", shape.value_bytes(), STORAGE);
        let losses = buffer(device, "losses", 4 * pairs, STORAGE);
        let total = buffer(device, "total", 4, STORAGE);
        let source = gradient_source(shape);
        let bound = [&batch, &embedding, &ids, &values, &losses];
        let gradient = Kernel::new(device, "gradient", &source, &bound);
        let source = include_str!("total.wgsl");
        let sum = Kernel::new(device, "total", source, &[&batch, &losses, &total]);
        Ok(Self { shape, embedding, total, param, batch, ids, values, gradient, sum })
    }

    /// The values of the embedding's words.
    pub fn values_of(&self, words: &[u32]) -> Vec<f32> {
        let values = self.shape.nouns as usize * self.shape.dim as usize;
        self.shape.stored.format.unpack(words, values)
    }

    /// Records one batch: forward, backward, the optimizer's step. `ids` is what
    /// [`crate::sampler::Epoch::next_batch`] draws, and is the gradient's indices as it is.
    ///
    /// Submit `encoder` before the next batch is recorded: the ids are on their way as soon as
    /// this returns, ahead of whatever is submitted next.
    pub fn record(
        &self,
        queue: &Queue,
        optimizer: &mut SparseAdam,
        encoder: &mut CommandEncoder,
        ids: &[u32],
    ) -> Result<(), Error> {
        let pairs = ids.len() as u32 / self.shape.entries();
        let batch = Batch { pairs, scale: 1.0 / pairs as f32 };
        queue.write_buffer(&self.batch, 0, bytemuck::bytes_of(&batch));
        queue.write_buffer(&self.ids, 0, bytemuck::cast_slice(ids));
        let label = Some("wordnet batch");
        let descriptor = ComputePassDescriptor { label, ..Default::default() };
        let mut pass = encoder.begin_compute_pass(&descriptor);
        self.gradient.dispatch(&mut pass, pairs.div_ceil(WORKGROUP));
        self.sum.dispatch(&mut pass, 1);
        drop(pass);
        // The last batch is a shorter one, and has the front of the buffer.
        let used = self.ids.slice(..4 * ids.len() as u64);
        let grad = SparseGrad::new(used, &self.values, ids.len() as u32);
        optimizer.set_grad(self.param, grad)?;
        optimizer.step(encoder)
    }
}

/// Sizes are constants of the shader text, since an array inside a function cannot have an
/// `override` for its length.
fn gradient_source(shape: Shape) -> String {
    let (columns, candidates) = (shape.dim / 4, 1 + shape.negatives);
    let constants = format!(
        "const COLUMNS = {columns}u;\nconst CANDIDATES = {candidates}u;\n\
         const WORKGROUP = {WORKGROUP}u;\n"
    );
    let embedding = match shape.stored.format {
        Format::F16 => include_str!("embedding_f16.wgsl"),
        Format::Bf16 => include_str!("embedding_bf16.wgsl"),
        _ => include_str!("embedding_f32.wgsl"),
    };
    constants + embedding + include_str!("gradient.wgsl")
}

const STORAGE: BufferUsages =
    BufferUsages::STORAGE.union(BufferUsages::COPY_SRC).union(BufferUsages::COPY_DST);

fn buffer(device: &Device, label: &str, size: u64, usage: BufferUsages) -> Buffer {
    let label = Some(label);
    device.create_buffer(&BufferDescriptor { label, size, usage, mapped_at_creation: false })
}

/// A pipeline and what it is bound to.
struct Kernel {
    pipeline: ComputePipeline,
    bindings: BindGroup,
}

impl Kernel {
    fn new(device: &Device, name: &str, source: &str, bound: &[&Buffer]) -> Self {
        let label = Some(name);
        let source = ShaderSource::Wgsl(source.into());
        let module = device.create_shader_module(ShaderModuleDescriptor { label, source });
        let pipeline = device.create_compute_pipeline(&ComputePipelineDescriptor {
            label,
            layout: None,
            module: &module,
            entry_point: None,
            compilation_options: Default::default(),
            cache: None,
        });
        let resources = bound.iter().map(|buffer| buffer.as_entire_binding());
        let entry = |(binding, resource)| BindGroupEntry { binding, resource };
        let entries: Vec<_> = (0..).zip(resources).map(entry).collect();
        let layout = &pipeline.get_bind_group_layout(0);
        let descriptor = BindGroupDescriptor { label, layout, entries: &entries };
        let bindings = device.create_bind_group(&descriptor);
        Self { pipeline, bindings }
    }

    fn dispatch(&self, pass: &mut ComputePass<'_>, workgroups: u32) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.bindings, &[]);
        pass.dispatch_workgroups(workgroups, 1, 1);
    }
}
