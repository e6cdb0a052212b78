//! The main package's example `wordnet` over ranks: an embedding of WordNet's nouns, whose rows are dealt out. Each rank
//! has a part of every batch, looks up the rows that it needs, and gives their gradient.
//!
//! The embedding ends with the same bits on any number of ranks, and as `wordnet` on one device of the kind: its hash is
//! printed.
//!
//!     cargo run --release --example sharded_wordnet -- --ranks 4 --threads
//!     mpirun -n 4 target/release/examples/sharded_wordnet

#[path = "../../../../examples/wordnet/data.rs"]
mod data;
#[path = "../../../../examples/wordnet/evaluate.rs"]
mod evaluate;
mod pass;
#[path = "../../../../examples/wordnet/random.rs"]
mod random;
#[path = "../../../../examples/wordnet/report.rs"]
mod report;
#[path = "../../../../examples/wordnet/sampler.rs"]
mod sampler;
mod train;

use clap::Parser;
use data::WordNet;
use evaluate::Embedding;
use sparse_adam_mpi::{Ranks, Sums, Transport, World, export_torch};
use sparse_adam_testkit::headless::Gpu;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Learns an embedding of WordNet's 82,192 nouns over ranks.
#[derive(Parser)]
struct Options {
    /// How many ranks, of threads
    #[arg(long, requires = "threads")]
    ranks: Option<u32>,
    /// Ranks are threads of this process, which share its device
    #[arg(long, requires = "ranks")]
    threads: bool,
    /// What travels of rows that are named several times; `ranks` has other bits
    #[arg(long, default_value = "entries", value_parser = sums)]
    sums: Sums,
    /// Values a noun; a multiple of 4
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(4..=1024))]
    dim: u32,
    /// Times that every pair is seen
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: u32,
    /// Pairs a step, of all ranks
    #[arg(long, default_value_t = 4096, value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    batch: u32,
    /// Random nouns that each pair's ancestor competes with
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=64))]
    negatives: u32,
    /// Learning rate
    #[arg(long, default_value_t = 0.01)]
    lr: f64,
    /// What start and batches are drawn with
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Save a checkpoint in this folder after each epoch
    #[arg(long, value_name = "FOLDER")]
    save: Option<PathBuf>,
    /// Go on from the checkpoint in this folder, on any number of ranks
    #[arg(long, value_name = "FOLDER")]
    resume: Option<PathBuf>,
    /// At the end, put what was saved together in this folder, for torch
    #[arg(long, value_name = "FOLDER", requires = "save")]
    export: Option<PathBuf>,
    /// Seconds after which a rank that waits for others says so and ends
    #[arg(long, default_value_t = 600)]
    timeout: u64,
}

fn sums(name: &str) -> Result<Sums, String> {
    match name {
        "entries" => Ok(Sums::Entries),
        "chunks" => Ok(Sums::Chunks),
        "ranks" => Ok(Sums::Ranks),
        _ => Err("expected entries, chunks or ranks".into()),
    }
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sharded_wordnet: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    if !options.dim.is_multiple_of(4) {
        return Err(format!("--dim is {}, but must be a multiple of 4", options.dim).into());
    }
    let wait = Duration::from_secs(options.timeout);
    let Some(count) = options.ranks else { return over_mpi(options, wait) };
    let (gpu, wordnet) = (pollster::block_on(Gpu::open())?, WordNet::load()?);
    let ended = World::run(Ranks::new(count)?, |end| {
        // An error as text, which any thread may have.
        rank(end.timeout(wait), &gpu, &wordnet, options).map_err(|error| error.to_string())
    });
    Ok(ended.into_iter().collect::<Result<(), _>>()?)
}

#[cfg(feature = "mpi")]
fn over_mpi(options: &Options, wait: Duration) -> Result<(), Box<dyn Error>> {
    // First, since a process without its launcher has no use for a device.
    let mpi = sparse_adam_mpi::World::init()?.timeout(wait);
    let (gpu, wordnet) = (pollster::block_on(Gpu::open())?, WordNet::load()?);
    rank(mpi, &gpu, &wordnet, options)
}

#[cfg(not(feature = "mpi"))]
fn over_mpi(_: &Options, _: Duration) -> Result<(), Box<dyn Error>> {
    Err("give --ranks N --threads; for mpirun, build with --features mpi".into())
}

/// What one rank does. Rank 0 tells.
fn rank<T: Transport>(
    transport: T,
    gpu: &Gpu,
    wordnet: &WordNet,
    options: &Options,
) -> Result<(), Box<dyn Error>> {
    let (rank, ranks) = (transport.rank(), transport.size());
    if rank == 0 {
        println!("adapter    {}", gpu.describe());
        println!("ranks      {ranks}, {:?}", options.sums);
        println!("data       {} nouns, {} pairs", wordnet.len(), wordnet.pairs.len());
    }
    let (mut optimizer, table) = train::begin(transport, gpu, wordnet, options)?;
    train::train(&mut optimizer, table, gpu, wordnet, options)?;
    let Some(whole) = optimizer.gather(table)? else { return Ok(()) };
    report::report(
        wordnet,
        Embedding { values: &whole.values, dim: options.dim as usize },
        options.seed,
    );
    if let (Some(saved), Some(out)) = (&options.save, &options.export) {
        export_torch(saved, out)?;
    }
    println!("\nembedding  fnv1a {:016x}", report::fnv1a(&whole.values));
    Ok(())
}
