//! A table that is declared larger than memory, of which Zipf's law names some rows.

use super::memory;
use super::zipf::Zipf;
use indicatif::{ProgressBar, ProgressStyle};
use sparse_adam::{AdamOptions, Param, SparseAdam};
use sparse_adam_cached::{CachedTable, FileStore, f32_weights};
use sparse_adam_testkit::Rng;
use sparse_adam_testkit::headless::Gpu;
use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

#[derive(clap::Args)]
pub struct Options {
    /// Rows of the table
    #[arg(long, default_value_t = 50_000_000)]
    rows: u64,
    /// Values of a row
    #[arg(long, default_value_t = 64)]
    dim: u32,
    /// Entries of a batch
    #[arg(long, default_value_t = 16_384)]
    entries: usize,
    /// Rows of the cache
    #[arg(long, default_value_t = 200_000)]
    slots: u32,
    /// Steps of this run; another run goes on from the last checkpoint
    #[arg(long, default_value_t = 300)]
    steps: u64,
    /// Steps from one checkpoint to the next
    #[arg(long, default_value_t = 100)]
    every: u64,
    /// Zipf's exponent
    #[arg(long, default_value_t = 1.05)]
    exponent: f64,
    /// Folder of the table
    #[arg(long, default_value = "target/large_table/synthetic")]
    folder: PathBuf,
}

/// The batch of a step.
fn ids(options: &Options, zipf: &Zipf, step: u64) -> Vec<u64> {
    let mut rng = Rng::of_stream(1, step);
    (0..options.entries).map(|_| zipf.row(&mut rng)).collect()
}

pub fn run(gpu: &Gpu, options: &Options) -> Result<(), Box<dyn Error>> {
    let &Options { rows, dim, entries, slots, steps, every, .. } = options;
    println!("memory     resident set {} before there is a table", memory::told());
    let mut adam = SparseAdam::new(&gpu.device, &gpu.queue, AdamOptions::default().lr(0.01))?;
    let weights = gpu.zeroed("cache", 4 * u64::from(slots) * u64::from(dim));
    let param = adam.add_param(Param::new("items", &weights, [slots, dim]))?;
    let mut table = CachedTable::new(&gpu.device, &gpu.queue, &mut adam, param, |layout| {
        let init = f32_weights(|row, weights| {
            let mut rng = Rng::of_stream(2, row);
            weights.iter_mut().for_each(|weight| *weight = 0.01 * rng.signed());
        });
        FileStore::open(&options.folder, rows, layout, init)
    })?;
    let record = table.layout().bytes() as f64;
    println!("table      {rows} rows of {dim}, {:.1} GB with moments", rows as f64 * record / 1e9);
    println!("cache      {slots} rows, {:.0} MB", f64::from(slots) * record / 1e6);
    // What backward would give: the cost of a step does not depend on it.
    let values = gpu.upload("values", &Rng(3).floats(entries * dim as usize));
    let zipf = Zipf::new(rows, options.exponent);
    let first = adam.step_count(param)?;
    println!("from       step {first}, of the last checkpoint");
    let template = "{msg} {wide_bar} {eta} left";
    let bar = ProgressBar::new(steps).with_style(ProgressStyle::with_template(template)?);
    let start = Instant::now();
    let mut plan = table.plan(&ids(options, &zipf, first))?;
    for step in first..first + steps {
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        let batch = table.load(&mut adam, &mut encoder, plan)?;
        plan = table.plan(&ids(options, &zipf, step + 1))?;
        let grad = table.grad(&batch, &values)?;
        adam.set_grad(param, grad)?;
        adam.step(&mut encoder)?;
        gpu.queue.submit([encoder.finish()]);
        if (step + 1) % every == 0 {
            table.checkpoint(&mut adam, "")?;
        }
        bar.inc(1);
        let rate = bar.position() as f64 / start.elapsed().as_secs_f64();
        let told = table.statistics();
        bar.set_message(format!("{rate:.1} steps/s, {told}, resident set {}", memory::told()));
    }
    table.checkpoint(&mut adam, "the end")?;
    bar.finish_and_clear();
    let rate = steps as f64 / start.elapsed().as_secs_f64();
    println!(
        "trained    {steps} steps, {rate:.1} steps/s with checkpoints, {}",
        table.statistics()
    );
    println!("memory     resident set {}", memory::told());
    println!("step       {}", adam.step_count(param)?);
    Ok(())
}
