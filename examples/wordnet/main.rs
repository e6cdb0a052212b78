//! Learns an embedding of WordNet's nouns from "is a kind of", after Nickel and Kiela,
//! "Poincaré Embeddings for Learning Hierarchical Representations" (2017), in Euclidean space.
//!
//! Forward, backward and the optimizer's step run on the GPU, in one encoder a batch: kernels
//! of this example write indices and value rows of a sparse gradient, and `SparseAdam` takes
//! them from there. The host samples and uploads ids.
//!
//!     cargo run --release --example wordnet

mod chart;
mod data;
mod evaluate;
mod model;
mod random;
mod sampler;
#[cfg(test)]
mod tests;
mod train;

use clap::Parser;
use data::WordNet;
use evaluate::Embedding;
use model::{Model, Shape};
use random::{Purpose, Random};
use sampler::Sampler;
use sparse_adam::headless::Gpu;
use sparse_adam::{AdamOptions, SparseAdam};
use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

/// Standard deviation of the initial embedding.
const INITIAL: f64 = 0.01;
/// Nouns that the embedding is measured on.
const EVALUATED: usize = 1000;
/// Nouns whose neighbours are shown.
const SHOWN: [&str; 8] = [
    "dog", "car", "tree", "piano", "coffee", "physics", "river", "anger",
];

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
    /// Same seed, same adapter: same embedding, bit for bit
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Part of the name of the adapter to use, as `WGPU_ADAPTER_NAME`
    #[arg(long)]
    adapter: Option<String>,
    /// Folder for the loss curve
    #[arg(long, default_value = "target/wordnet")]
    out: PathBuf,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let start = Instant::now();
    let gpu = open(options.adapter.as_deref())?;
    println!("adapter    {}", gpu.describe());
    let wordnet = WordNet::load()?;
    println!(
        "data       {} nouns, {} pairs",
        wordnet.len(),
        wordnet.pairs.len()
    );
    println!(
        "model      dim {}, batch {}, {} negatives, lr {}, seed {}",
        options.dim, options.batch, options.negatives, options.lr, options.seed
    );

    let shape = shape(&options, &wordnet, &gpu)?;
    let adam = AdamOptions {
        lr: options.lr,
        ..Default::default()
    };
    let mut optimizer = SparseAdam::new(&gpu.device, &gpu.queue, adam)?;
    let initial = initial(shape, options.seed);
    let model = Model::new(&gpu.device, &mut optimizer, shape, &initial)?;
    let sampler = Sampler {
        pairs: &wordnet.pairs,
        nouns: shape.nouns,
        negatives: shape.negatives,
        batch: shape.batch,
        seed: options.seed,
    };
    let curve = train::train(&gpu, &model, &mut optimizer, &sampler, 0..options.epochs)?;

    let values: Vec<f32> = pollster::block_on(gpu.read(&model.embedding))?;
    let embedding = Embedding {
        values: &values,
        dim: shape.dim as usize,
    };
    report(&wordnet, embedding, options.seed);
    let path = save_curve(&options, &gpu, &curve)?;
    println!("\nloss curve {}", path.display());
    println!("embedding  fnv1a {:016x}", fnv1a(&values));
    println!("total      {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// The adapter of this name, else the one that the environment or wgpu chooses.
fn open(name: Option<&str>) -> Result<Gpu, Box<dyn Error>> {
    let Some(name) = name else {
        return Ok(pollster::block_on(Gpu::open())?);
    };
    let part = name.to_lowercase();
    let all = pollster::block_on(Gpu::open_all())?;
    let found = all
        .into_iter()
        .find(|gpu| gpu.info.name.to_lowercase().contains(&part));
    Ok(found.ok_or_else(|| format!("no adapter has {name:?} in its name"))?)
}

fn shape(options: &Options, wordnet: &WordNet, gpu: &Gpu) -> Result<Shape, Box<dyn Error>> {
    let &Options {
        dim,
        negatives,
        batch,
        ..
    } = options;
    if !dim.is_multiple_of(4) {
        return Err(format!("--dim is {dim}, but must be a multiple of 4").into());
    }
    let shape = Shape {
        nouns: wordnet.len(),
        dim,
        negatives,
        batch,
    };
    let (bytes, limit) = (
        shape.value_bytes(),
        gpu.device.limits().max_storage_buffer_binding_size,
    );
    if bytes > limit {
        let found = format!("a batch's gradient has {bytes} bytes, the adapter binds {limit}");
        return Err(format!("{found}: choose a smaller --batch, --dim or --negatives").into());
    }
    Ok(shape)
}

fn initial(shape: Shape, seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed, Purpose::Initial);
    let values = shape.nouns as usize * shape.dim as usize;
    (0..values)
        .map(|_| (INITIAL * random.normal()) as f32)
        .collect()
}

/// Prints how good the embedding is, beside chance, and what lies near what.
fn report(wordnet: &WordNet, embedding: Embedding<'_>, seed: u64) {
    let nouns = evaluate::sample(wordnet, EVALUATED, seed);
    let learned = evaluate::evaluate(wordnet, embedding, &nouns);
    let chance = evaluate::chance(wordnet, &nouns);
    println!(
        "\nancestors of {} nouns, ranked by distance among all nouns",
        nouns.len()
    );
    println!("                            learned   by chance");
    println!(
        "  mean rank              {:>10.1}  {:>10.1}",
        learned.mean_rank, chance.mean_rank
    );
    println!(
        "  mean average precision {:>10.4}  {:>10.4}",
        learned.mean_average_precision, chance.mean_average_precision
    );
    println!("\nnearest neighbours");
    for lemma in SHOWN {
        let Some(noun) = wordnet.find(lemma) else {
            continue;
        };
        let above = wordnet.hypernyms[noun as usize].first();
        let above = above.map_or("", |&above| &wordnet.lemmas[above as usize]);
        let near = evaluate::nearest(embedding, noun, 5);
        let near: Vec<&str> = near
            .iter()
            .map(|&near| &*wordnet.lemmas[near as usize])
            .collect();
        println!("  {:<28} {}", format!("{lemma} ({above})"), near.join(", "));
    }
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

/// Hash of the values' bits (FNV-1a, 64 bits): the same embedding, the same number.
fn fnv1a(values: &[f32]) -> u64 {
    let bytes: &[u8] = bytemuck::cast_slice(values);
    let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}
