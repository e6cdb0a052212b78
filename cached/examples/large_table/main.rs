//! Tables in files, with a cache on the GPU.
//!
//!     cargo run --release -p sparse-adam-cached --example large_table -- wordnet
//!     cargo run --release -p sparse-adam-cached --example large_table -- synthetic
//!     cargo run --release -p sparse-adam-cached --example large_table -- costs
//!
//! `wordnet` trains the task of the example `wordnet` twice, with the table on the GPU and with a tenth of it there, and
//! compares. `synthetic` trains a table that is declared larger than most disks. `costs` times steps beside a resident table.

mod costs;
mod memory;
mod synthetic;
mod wordnet;
mod zipf;

// The task of the example `wordnet`, which asks more of its parts.
#[expect(dead_code)]
#[path = "../../../examples/wordnet/data.rs"]
mod data;
#[expect(dead_code)]
#[path = "../../../examples/wordnet/model.rs"]
mod model;
#[expect(dead_code)]
#[path = "../../../examples/wordnet/random.rs"]
mod random;
#[path = "../../../examples/wordnet/sampler.rs"]
mod sampler;

use clap::{Parser, Subcommand};
use sparse_adam_testkit::headless::Gpu;
use std::error::Error;
use std::process::ExitCode;

/// Trains tables that are larger than the GPU.
#[derive(Parser)]
struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// The wordnet task, with a tenth of the table on the GPU and the rest in a file
    Wordnet(wordnet::Options),
    /// A table of 50,000,000 rows that follow Zipf's law, in a sparse file
    Synthetic(synthetic::Options),
    /// Steps beside those of a resident table, by size of the cache
    Costs(costs::Options),
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("large_table: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let gpu = pollster::block_on(Gpu::open())?;
    println!("adapter    {}", gpu.describe());
    match &options.what {
        What::Wordnet(options) => wordnet::run(&gpu, options),
        What::Synthetic(options) => synthetic::run(&gpu, options),
        What::Costs(options) => costs::run(&gpu, options),
    }
}
