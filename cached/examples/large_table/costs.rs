//! Steps of cached tables beside those of a resident one, taken by turns.

use super::memory;
use super::zipf::Zipf;
use sparse_adam::{AdamOptions, Param, ParamId, SparseAdam, SparseGrad};
use sparse_adam_cached::{CachedTable, MemoryStore, Plan};
use sparse_adam_testkit::Rng;
use sparse_adam_testkit::headless::Gpu;
use std::collections::BTreeSet;
use std::error::Error;
use std::time::Instant;
use wgpu::Buffer;

#[derive(clap::Args)]
pub struct Options {
    /// Rows of the table
    #[arg(long, default_value_t = 1_000_000)]
    rows: u32,
    /// Values of a row
    #[arg(long, default_value_t = 64)]
    dim: u32,
    /// Entries of a batch
    #[arg(long, default_value_t = 65_536)]
    entries: usize,
    /// Sizes of the cache, in percent of the rows
    #[arg(long, value_delimiter = ',', default_value = "5,10,20,100")]
    percent: Vec<u32>,
    /// Steps until the caches are in a steady state
    #[arg(long, default_value_t = 60)]
    warm: u64,
    /// Steps that are timed
    #[arg(long, default_value_t = 40)]
    steps: u64,
}

struct Cached {
    percent: u32,
    adam: SparseAdam,
    param: ParamId,
    table: CachedTable<MemoryStore>,
    plan: Option<Plan>,
    times: Vec<f64>,
}

impl Cached {
    fn new(gpu: &Gpu, options: &Options, percent: u32) -> Result<Self, Box<dyn Error>> {
        let mut adam = SparseAdam::new(&gpu.device, &gpu.queue, AdamOptions::default())?;
        let slots = (u64::from(options.rows) * u64::from(percent) / 100) as u32;
        let weights = gpu.zeroed("cache", 4 * u64::from(slots) * u64::from(options.dim));
        let param = adam.add_param(Param::new("items", &weights, [slots, options.dim]))?;
        let table = CachedTable::new(&gpu.device, &gpu.queue, &mut adam, param, |layout| {
            Ok(MemoryStore::zeroed(options.rows.into(), layout))
        })?;
        Ok(Self { percent, adam, param, table, plan: None, times: Vec::new() })
    }

    /// A step, while the next batch is planned.
    fn step(&mut self, gpu: &Gpu, values: &Buffer, next: &[u32]) -> Result<(), Box<dyn Error>> {
        let start = Instant::now();
        let plan = self.plan.take().ok_or("nothing is planned")?;
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        let batch = self.table.load(&mut self.adam, &mut encoder, plan)?;
        self.adam.set_grad(self.param, self.table.grad(&batch, values)?)?;
        self.adam.step(&mut encoder)?;
        gpu.queue.submit([encoder.finish()]);
        self.plan = Some(self.table.plan(next)?);
        gpu.wait()?;
        self.times.push(start.elapsed().as_secs_f64() * 1e3);
        Ok(())
    }
}

fn median(times: &[f64]) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

pub fn run(gpu: &Gpu, options: &Options) -> Result<(), Box<dyn Error>> {
    let zipf = Zipf::new(options.rows.into(), 1.05);
    let ids = |step: u64| -> Vec<u32> {
        let mut rng = Rng::of_stream(1, step);
        (0..options.entries).map(|_| zipf.row(&mut rng) as u32).collect()
    };
    let values = gpu.upload("values", &Rng(3).floats(options.entries * options.dim as usize));
    let mut adam = SparseAdam::new(&gpu.device, &gpu.queue, AdamOptions::default())?;
    let weights = gpu.zeroed("table", 4 * u64::from(options.rows) * u64::from(options.dim));
    let param = adam.add_param(Param::new("items", &weights, [options.rows, options.dim]))?;
    let mut resident = Vec::new();
    let all = options.percent.iter().map(|&percent| Cached::new(gpu, options, percent));
    let mut all = all.collect::<Result<Vec<_>, _>>()?;
    let (mut now, mut unique, mut told) = (ids(0), 0, Vec::new());
    for cached in &mut all {
        cached.plan = Some(cached.table.plan(&now)?);
    }
    for step in 0..options.warm + options.steps {
        if step == options.warm {
            told = all.iter().map(|cached| cached.table.statistics()).collect();
            all.iter_mut().for_each(|cached| cached.times.clear());
            resident.clear();
            unique = 0;
        }
        let next = ids(step + 1);
        unique += now.iter().collect::<BTreeSet<_>>().len();
        let start = Instant::now();
        let buffer = gpu.upload("ids", &now);
        adam.set_grad(param, SparseGrad::new(&buffer, &values, now.len() as u32))?;
        gpu.submit(|encoder| adam.step(encoder))?;
        gpu.wait()?;
        resident.push(start.elapsed().as_secs_f64() * 1e3);
        for cached in &mut all {
            cached.step(gpu, &values, &next)?;
        }
        now = next;
    }
    let steps = options.steps as f64;
    println!("{} rows of {}, {} entries", options.rows, options.dim, options.entries);
    println!("different rows per batch {:.0}", unique as f64 / steps);
    println!("resident   {:>7.2} ms", median(&resident));
    for (cached, before) in all.iter().zip(told) {
        let after = cached.table.statistics();
        let per_step = |after: u64, before: u64| (after - before) as f64 / steps;
        println!(
            "{:>4} %     {:>7.2} ms, {:>6.0} misses, {:>5.2} MB up, {:>5.2} MB down, {} waits",
            cached.percent,
            median(&cached.times),
            per_step(after.misses, before.misses),
            per_step(after.bytes_up, before.bytes_up) / 1e6,
            per_step(after.bytes_down, before.bytes_down) / 1e6,
            after.waits - before.waits,
        );
    }
    println!("memory     resident set {}", memory::told());
    Ok(())
}
