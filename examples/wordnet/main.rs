//! Learns an embedding of WordNet's nouns from "is a kind of", after Nickel and Kiela,
//! "Poincaré Embeddings for Learning Hierarchical Representations" (2017), in Euclidean space.
//!
//! Forward, backward and the optimizer's step run on the GPU, in one encoder a batch: the host
//! samples ids and uploads them as the indices of a sparse gradient, a kernel of this example
//! writes its value rows, and `SparseAdam` takes both from where they lie.
//!
//!     cargo run --release --example wordnet

mod chart;
mod checkpoint;
mod data;
mod evaluate;
mod model;
mod random;
mod report;
mod sampler;
#[cfg(test)]
mod tests;
mod train;

use checkpoint::Progress;
use clap::Parser;
use data::WordNet;
use evaluate::Embedding;
use model::{Model, Shape, Stored};
use random::{Purpose, Random};
use report::{fnv1a, report};
use sampler::Sampler;
use sparse_adam::{AdamOptions, Format, Rounding, SparseAdam};
use sparse_adam_testkit::headless::Gpu;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// Standard deviation of the initial embedding.
const INITIAL: f64 = 0.01;

/// Learns an embedding of WordNet's 82,192 nouns.
#[derive(Parser)]
struct Options {
    /// Values a noun; a multiple of 4
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(4..=1024))]
    dim: u32,
    /// Times that every pair is seen
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: u32,
    /// Pairs a step
    #[arg(long, default_value_t = 4096, value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    batch: u32,
    /// Random nouns that each pair's ancestor competes with
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=64))]
    negatives: u32,
    /// Learning rate
    #[arg(long, default_value_t = 0.01)]
    lr: f64,
    /// Rule of the optimizer: a preset of `AdamOptions`, with this learning rate
    #[arg(long, default_value = "torch_sparse_adam", value_parser = preset)]
    preset: AdamOptions,
    /// How the embedding is stored
    #[arg(long, default_value = "f32", value_parser = ["f32", "f16", "bf16"])]
    format: String,
    /// How its moments are stored
    #[arg(long, default_value = "f32", value_parser = ["f32", "bf16"])]
    moments: String,
    /// How what has 16 bits is rounded
    #[arg(long, default_value = "nearest", value_parser = ["nearest", "stochastic"])]
    rounding: String,
    /// Same seed, same adapter: same embedding, bit for bit
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Part of the name of the adapter to use, as `WGPU_ADAPTER_NAME`
    #[arg(long)]
    adapter: Option<String>,
    /// Save the embedding here when done, and the optimizer's state beside it
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Go on from what was saved here, up to --epochs
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
    /// Folder for the loss curve
    #[arg(long, default_value = "target/wordnet")]
    out: PathBuf,
}

fn preset(name: &str) -> Result<AdamOptions, String> {
    let names =
        || AdamOptions::PRESETS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    AdamOptions::preset(name).ok_or_else(|| format!("expected one of {}", names()))
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wordnet: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let gpu = open(options.adapter.as_deref())?;
    println!("adapter    {}", gpu.describe());
    let wordnet = WordNet::load()?;
    println!("data       {} nouns, {} pairs", wordnet.len(), wordnet.pairs.len());
    println!(
        "model      dim {}, batch {}, {} negatives, lr {}, seed {}",
        options.dim, options.batch, options.negatives, options.lr, options.seed
    );
    println!("stored     {:?}", options.stored());

    let shape = shape(options, &wordnet, &gpu)?;
    let adam = options.preset.lr(options.lr);
    let mut optimizer = SparseAdam::new(&gpu.device, &gpu.queue, adam)?;
    let (initial, resumed) = match &options.resume {
        None => (initial(shape, options.seed), None),
        Some(path) => {
            let (values, progress) = checkpoint::load(path, shape)?;
            (values, Some((path, progress)))
        }
    };
    let model = Model::new(&gpu.device, &mut optimizer, shape, &initial)?;
    let mut first = 0;
    if let Some((path, progress)) = &resumed {
        checkpoint::load_state(path, &model, &mut optimizer, progress)?;
        if options.progress(progress.epochs, progress.steps) != *progress {
            return Err(format!("this run's options differ from the saved {progress:?}").into());
        }
        first = progress.epochs;
    }
    let sampler = Sampler {
        pairs: &wordnet.pairs,
        nouns: shape.nouns,
        negatives: shape.negatives,
        batch: shape.batch,
        seed: options.seed,
    };
    let curve = train::train(&gpu, &model, &mut optimizer, &sampler, first..options.epochs)?;
    if let Some(path) = &options.save {
        let steps = optimizer.step_count(model.param)?;
        let progress = options.progress(options.epochs.max(first), steps);
        checkpoint::save(path, &gpu, &model, &optimizer, &progress)?;
    }

    let values = model.values_of(&pollster::block_on(gpu.read(&model.embedding))?);
    let embedding = Embedding { values: &values, dim: shape.dim as usize };
    report(&wordnet, embedding, options.seed);
    let path = save_curve(options, &gpu, &curve)?;
    println!("\nloss curve {}", path.display());
    println!("embedding  fnv1a {:016x}", fnv1a(&values));
    println!("total      {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

impl Options {
    fn stored(&self) -> Stored {
        let format = |name: &str| match name {
            "f16" => Format::F16,
            "bf16" => Format::Bf16,
            _ => Format::F32,
        };
        let rounding = match &*self.rounding {
            "stochastic" => Rounding::Stochastic { seed: self.seed as u32 },
            _ => Rounding::Nearest,
        };
        Stored { format: format(&self.format), moments: format(&self.moments), rounding }
    }

    fn progress(&self, epochs: u32, steps: u64) -> Progress {
        let &Self { batch, negatives, lr, seed, .. } = self;
        Progress { epochs, steps, batch, negatives, lr, seed }
    }
}

/// The adapter of this name, else the one that the environment or wgpu chooses.
fn open(name: Option<&str>) -> Result<Gpu, sparse_adam::Error> {
    match name {
        Some(name) => pollster::block_on(Gpu::open_named(name)),
        None => pollster::block_on(Gpu::open()),
    }
}

fn shape(options: &Options, wordnet: &WordNet, gpu: &Gpu) -> Result<Shape, Box<dyn Error>> {
    let &Options { dim, negatives, batch, .. } = options;
    if !dim.is_multiple_of(4) {
        return Err(format!("--dim is {dim}, but must be a multiple of 4").into());
    }
    let stored = options.stored();
    let shape = Shape { nouns: wordnet.len(), dim, negatives, batch, stored };
    let limit = gpu.device.limits().max_storage_buffer_binding_size;
    let buffers = [("embedding", shape.embedding_bytes()), ("gradient", shape.value_bytes())];
    for (what, bytes) in buffers {
        if bytes > limit {
            let remedy = "choose a smaller --batch, --dim or --negatives";
            let found = format!("the {what} has {bytes} bytes, the adapter binds at most {limit}");
            return Err(format!("{found}: {remedy}").into());
        }
    }
    Ok(shape)
}

fn initial(shape: Shape, seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed, Purpose::Initial);
    let values = shape.nouns as usize * shape.dim as usize;
    (0..values).map(|_| (INITIAL * random.normal()) as f32).collect()
}

fn save_curve(
    options: &Options,
    gpu: &Gpu,
    curve: &train::Curve,
) -> Result<PathBuf, Box<dyn Error>> {
    let subtitle = format!(
        "SparseAdam, lr {}, dim {}, batch {}, {} negatives, on {}",
        options.lr, options.dim, options.batch, options.negatives, gpu.info.name
    );
    let title = "Learning the hypernyms of WordNet's nouns";
    std::fs::create_dir_all(&options.out)?;
    let path = options.out.join("loss.svg");
    std::fs::write(&path, chart::loss_curve(curve, title, &subtitle))?;
    Ok(path)
}
