//! The wordnet task, resident and cached over a file.

use super::memory;
use crate::data::WordNet;
use crate::model::{Model, Shape, Stored};
use crate::random::{Purpose, Random};
use crate::sampler::Sampler;
use indicatif::{ProgressBar, ProgressStyle};
use sparse_adam::{AdamOptions, SparseAdam};
use sparse_adam_cached::{CachedTable, FileStore, f32_weights};
use sparse_adam_testkit::headless::Gpu;
use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

/// Standard deviation of the initial embedding.
const INITIAL: f64 = 0.01;

/// Steps from one checkpoint to the next.
const CHECKPOINT: u32 = 200;

#[derive(clap::Args)]
pub struct Options {
    /// Values a noun; a multiple of 4
    #[arg(long, default_value_t = 32)]
    dim: u32,
    /// Times that every pair is seen
    #[arg(long, default_value_t = 1)]
    epochs: u32,
    /// Pairs a step: two batches must fit into the cache
    #[arg(long, default_value_t = 256)]
    batch: u32,
    /// Nouns of a hundred that the cache has room for
    #[arg(long, default_value_t = 10)]
    percent: u32,
    /// Folder of the table
    #[arg(long, default_value = "target/large_table/wordnet")]
    folder: PathBuf,
    /// Folder for the embedding and the optimizer's state as safetensors
    #[arg(long)]
    export: Option<PathBuf>,
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

pub fn run(gpu: &Gpu, options: &Options) -> Result<(), Box<dyn Error>> {
    let wordnet = WordNet::load()?;
    let slots = wordnet.len() * options.percent / 100;
    println!("data       {} nouns, {} pairs", wordnet.len(), wordnet.pairs.len());
    println!("cache      {slots} nouns, {} %", options.percent);
    let shape = Shape {
        nouns: wordnet.len(),
        dim: options.dim,
        negatives: 10,
        batch: options.batch,
        stored: Stored::default(),
    };
    let sampler = Sampler {
        pairs: &wordnet.pairs,
        nouns: wordnet.len(),
        negatives: shape.negatives,
        batch: options.batch,
        seed: options.seed,
    };
    let mut random = Random::new(options.seed, Purpose::Initial);
    let values = shape.nouns as usize * shape.dim as usize;
    let initial: Vec<f32> = (0..values).map(|_| (INITIAL * random.normal()) as f32).collect();
    let resident = resident(gpu, options, shape, &sampler, &initial)?;
    let cached = cached(gpu, options, Shape { nouns: slots, ..shape }, &sampler, initial)?;
    if resident != cached {
        return Err("the cached table ended with other bits".into());
    }
    println!("the cached table ended with the bits of the resident one");
    Ok(())
}

fn optimizer(gpu: &Gpu) -> Result<SparseAdam, sparse_adam::Error> {
    SparseAdam::new(&gpu.device, &gpu.queue, AdamOptions::default().lr(0.01))
}

fn bar(what: &str, pairs: usize) -> Result<ProgressBar, Box<dyn Error>> {
    let template = format!("{what:<10} {{msg}} {{wide_bar}} {{eta}} left");
    Ok(ProgressBar::new(pairs as u64).with_style(ProgressStyle::with_template(&template)?))
}

fn resident(
    gpu: &Gpu,
    options: &Options,
    shape: Shape,
    sampler: &Sampler<'_>,
    initial: &[f32],
) -> Result<u64, Box<dyn Error>> {
    let mut adam = optimizer(gpu)?;
    let model = Model::new(&gpu.device, &mut adam, shape, initial)?;
    let bar = bar("resident", sampler.pairs.len() * options.epochs as usize)?;
    let (start, mut steps, mut ids) = (Instant::now(), 0, Vec::new());
    for epoch in 0..options.epochs {
        let mut batches = sampler.epoch(epoch);
        loop {
            let drawn = batches.next_batch(&mut ids);
            if drawn == 0 {
                break;
            }
            gpu.submit(|encoder| model.record(&gpu.queue, &mut adam, encoder, &ids))?;
            steps += 1;
            // Not more than some steps ahead of the device.
            if steps % 20 == 0 {
                gpu.wait()?;
            }
            bar.inc(drawn.into());
        }
    }
    gpu.wait()?;
    bar.finish_and_clear();
    let rate = f64::from(steps) / start.elapsed().as_secs_f64();
    let values: Vec<f32> = pollster::block_on(gpu.read(&model.embedding))?;
    let hash = fnv1a(&values);
    println!("resident   {steps} steps, {rate:.0} steps/s, embedding fnv1a {hash:016x}");
    Ok(hash)
}

fn cached(
    gpu: &Gpu,
    options: &Options,
    shape: Shape,
    sampler: &Sampler<'_>,
    initial: Vec<f32>,
) -> Result<u64, Box<dyn Error>> {
    let mut adam = optimizer(gpu)?;
    let cache = vec![0.0; shape.nouns as usize * shape.dim as usize];
    let model = Model::new(&gpu.device, &mut adam, shape, &cache)?;
    if options.folder.exists() {
        std::fs::remove_dir_all(&options.folder)?;
    }
    let (dim, folder) = (shape.dim as usize, &options.folder);
    let init = f32_weights(move |row, weights| {
        weights.copy_from_slice(&initial[row as usize * dim..][..dim]);
    });
    let mut table = CachedTable::new(&gpu.device, &gpu.queue, &mut adam, model.param, |layout| {
        FileStore::open(folder, sampler.nouns.into(), layout, init)
    })?;
    let bar = bar("cached", sampler.pairs.len() * options.epochs as usize)?;
    let (start, mut steps) = (Instant::now(), 0u32);
    for epoch in 0..options.epochs {
        let (mut batches, mut ids) = (sampler.epoch(epoch), Vec::new());
        let mut drawn = batches.next_batch(&mut ids);
        let mut plan = table.plan(&ids)?;
        while drawn > 0 {
            let label = Some("large_table");
            let mut encoder =
                gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label });
            let slots = plan.slots().to_vec();
            table.load(&mut adam, &mut encoder, plan)?;
            let pairs = std::mem::replace(&mut drawn, batches.next_batch(&mut ids));
            plan = table.plan(&ids)?;
            model.record(&gpu.queue, &mut adam, &mut encoder, &slots)?;
            gpu.queue.submit([encoder.finish()]);
            steps += 1;
            // What is evicted goes to the log, which only a checkpoint folds.
            if steps % CHECKPOINT == 0 {
                table.checkpoint(&mut adam, "")?;
            }
            bar.inc(pairs.into());
            bar.set_message(table.statistics().to_string());
        }
    }
    table.checkpoint(&mut adam, "the end")?;
    bar.finish_and_clear();
    let rate = f64::from(steps) / start.elapsed().as_secs_f64();
    let mut values: Vec<f32> = Vec::new();
    let (record, weights) = (table.layout().bytes(), table.layout().weights as usize);
    table.for_each(&mut adam, |_, records| {
        for record in records.chunks_exact(record) {
            values.extend(bytemuck::pod_collect_to_vec::<u8, f32>(&record[..weights]));
        }
        Ok(())
    })?;
    if let Some(folder) = &options.export {
        std::fs::create_dir_all(folder)?;
        table.export_weights(&mut adam, folder.join("weights.safetensors"))?;
        table.export_state(&mut adam, folder.join("state.safetensors"))?;
    }
    let hash = fnv1a(&values);
    println!("cached     {steps} steps, {rate:.0} steps/s, embedding fnv1a {hash:016x}");
    println!("           {}, resident set {}", table.statistics(), memory::told());
    Ok(hash)
}

/// Hash of the values' bits, as the example `wordnet` prints it.
fn fnv1a(values: &[f32]) -> u64 {
    let bytes: &[u8] = bytemuck::cast_slice(values);
    let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}
