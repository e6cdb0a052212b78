//! The model and its frame: words → mean of their embeddings → linear head → class.

use crate::data::{Batch, Random};
use crate::engine::{Engine, Kernel, Pool, WORKGROUP};
use sparse_adam::{AdamOptions, Param, ParamId, SparseAdam, SparseGrad};
use std::error::Error;
use std::time::{Duration, Instant};
use wgpu::{BufferSlice, CommandEncoder, ComputePass, Queue, ShaderModuleDescriptor, ShaderSource};

/// Rows of the embedding.
pub const VOCABULARY: u32 = 8192;
/// Values per row.
pub const DIM: u32 = 32;
pub const CLASSES: u32 = 6;
/// Bags (documents) a frame.
pub const BAGS: u32 = 64;
/// Most words a bag; each has at least one.
pub const LONGEST: u32 = 40;
/// Most entries (words of all bags) a frame.
pub const CAPACITY: u32 = BAGS * LONGEST;
/// Dispatches of the engine's own in a frame.
pub const DISPATCHES: usize = 6;

/// Learning rate of the embedding, for Adam.
const WORDS_LR: f64 = 0.01;
/// Learning rate of the head, for plain SGD.
const HEAD_LR: f32 = 0.5;

/// The slices of the pool. Their numbers are also their bindings in `classifier.wgsl`, where
/// their contents are described.
#[derive(Clone, Copy)]
enum Slice {
    Embedding,
    Ids,
    Bags,
    Pooled,
    Head,
    Scores,
    Totals,
    BagGrads,
    Map,
    Weights,
    Count,
}

/// Values (of 4 bytes) a slice, in the order of [`Slice`].
const SLICES: [u32; 11] = [
    VOCABULARY * DIM,
    CAPACITY,
    3 * BAGS,
    BAGS * DIM,
    CLASSES * DIM,
    BAGS * (CLASSES + 2),
    2,
    BAGS * DIM,
    CAPACITY,
    CAPACITY,
    1,
];

/// What some documents came to.
#[derive(Clone, Copy)]
pub struct Totals {
    /// Mean cross-entropy in nats.
    pub loss: f32,
    /// Share of documents whose class came out on top.
    pub right: f32,
}

/// The model, on an engine.
pub struct Classifier {
    pool: Pool,
    pool_bags: Kernel,
    classify: Kernel,
    add_totals: Kernel,
    bag_gradients: Kernel,
    describe_entries: Kernel,
    step_head: Kernel,
    pub optimizer: SparseAdam,
    /// The embedding, to the optimizer.
    pub words: ParamId,
}

impl Classifier {
    /// A model with small random weights.
    pub fn new(engine: &Engine, random: &mut Random) -> Result<Self, Box<dyn Error>> {
        let (device, queue) = (&engine.device, &engine.queue);
        let pool = Pool::new(device, &SLICES.map(|values| 4 * u64::from(values)));
        let mut small = |values: u32| -> Vec<f32> { (0..values).map(|_| random.small()).collect() };
        pool.write(queue, Slice::Embedding as usize, &small(VOCABULARY * DIM));
        pool.write(queue, Slice::Head as usize, &small(CLASSES * DIM));

        let label = Some("classifier");
        let source = ShaderSource::Wgsl(source().into());
        let module = device.create_shader_module(ShaderModuleDescriptor { label, source });
        let kernel = |name: &str, slices: &[Slice]| {
            let slices: Vec<usize> = slices.iter().map(|&slice| slice as usize).collect();
            Kernel::new(device, &module, name, &pool, &slices)
        };
        use Slice::*;
        let pool_bags = kernel("pool_bags", &[Embedding, Ids, Bags, Pooled]);
        let classify = kernel("classify", &[Bags, Pooled, Head, Scores]);
        let add_totals = kernel("add_totals", &[Scores, Totals]);
        let bag_gradients = kernel("bag_gradients", &[Head, Scores, BagGrads]);
        let describe_entries = kernel("describe_entries", &[Bags, Map, Weights, Count]);
        let step_head = kernel("step_head", &[Pooled, Head, Scores]);

        // The optimizer updates the embedding where it lies, and keeps only the moments itself.
        let options = AdamOptions::default().lr(WORDS_LR);
        let mut optimizer = SparseAdam::new(device, queue, options)?;
        let words = Param::new("words", pool.slice(Embedding as usize), [VOCABULARY, DIM]);
        let words = optimizer.add_param(words)?;
        Ok(Self {
            pool,
            pool_bags,
            classify,
            add_totals,
            bag_gradients,
            describe_entries,
            step_head,
            optimizer,
            words,
        })
    }

    /// One frame of training, to be submitted before the next one is recorded. Returns it with
    /// the host time that the optimizer's part took.
    pub fn record(
        &mut self,
        engine: &Engine,
        batch: &Batch,
    ) -> Result<(CommandEncoder, Duration), Box<dyn Error>> {
        self.upload(&engine.queue, batch);
        let mut encoder = engine.device.create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&Default::default());
        self.forward(&mut pass);
        self.bag_gradients.dispatch(&mut pass, BAGS * DIM);
        self.describe_entries.dispatch(&mut pass, BAGS);
        drop(pass);

        // The gradient of the embedding never exists as a row an entry. Entry e, a word of bag
        // map[e], adds weights[e] times that bag's gradient to the word's row; and how many
        // entries there are, the GPU knows. Sizes are the same in every frame, so what the
        // optimizer made for the first one serves them all.
        let start = Instant::now();
        let grad = SparseGrad::new(self.slice(Slice::Ids), self.slice(Slice::BagGrads), CAPACITY)
            .value_map(self.slice(Slice::Map), BAGS)
            .weights(self.slice(Slice::Weights))
            .count(self.slice(Slice::Count));
        self.optimizer.set_grad(self.words, grad)?;
        self.optimizer.step(&mut encoder)?;
        let recorded = start.elapsed();

        // The engine goes on in the same encoder. This pass sees the stepped embedding, and the
        // scores of the forward pass before it.
        let mut pass = encoder.begin_compute_pass(&Default::default());
        self.step_head.dispatch(&mut pass, CLASSES * DIM);
        drop(pass);
        Ok((encoder, recorded))
    }

    /// One frame that only looks: forward, and its totals.
    pub fn record_forward(&self, engine: &Engine, batch: &Batch) -> CommandEncoder {
        self.upload(&engine.queue, batch);
        let mut encoder = engine.device.create_command_encoder(&Default::default());
        self.forward(&mut encoder.begin_compute_pass(&Default::default()));
        encoder
    }

    /// Reads what the `documents` since the last call came to, and starts to count anew.
    pub fn take_totals(
        &self,
        engine: &mut Engine,
        documents: usize,
    ) -> Result<Totals, Box<dyn Error>> {
        let totals = engine.read_back(self.slice(Slice::Totals))?;
        self.pool.write(&engine.queue, Slice::Totals as usize, &[0.0f32; 2]);
        let mean = |total: f32| total / documents as f32;
        Ok(Totals { loss: mean(totals[0]), right: mean(totals[1]) })
    }

    fn upload(&self, queue: &Queue, batch: &Batch) {
        self.pool.write(queue, Slice::Ids as usize, &batch.ids);
        self.pool.write(queue, Slice::Bags as usize, &batch.bags);
    }

    fn forward(&self, pass: &mut ComputePass<'_>) {
        self.pool_bags.dispatch(pass, BAGS * DIM);
        self.classify.dispatch(pass, BAGS);
        self.add_totals.dispatch(pass, 2);
    }

    fn slice(&self, slice: Slice) -> BufferSlice<'_> {
        self.pool.slice(slice as usize)
    }
}

/// Sizes are constants of the shader text.
fn source() -> String {
    let sizes = [("DIM", DIM), ("CLASSES", CLASSES), ("BAGS", BAGS), ("WORKGROUP", WORKGROUP)];
    let sizes = sizes.map(|(name, value)| format!("const {name} = {value}u;\n"));
    sizes.concat() + &format!("const HEAD_LR = {HEAD_LR:?};\n") + include_str!("classifier.wgsl")
}
