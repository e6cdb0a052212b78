//! Word vectors trained with SparseAdam, beside the same model with burn's dense Adam.
//!
//!     cargo run --release --example skipgram                 both, side by side
//!     cargo run --release --example skipgram -- --bench      step time and memory, JSON lines

mod bench;
mod data;
mod memory;
mod model;

use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use data::Rng;
use model::{Dense, Ids, Sparse, Start};
use sparse_adam_burn::sparse_adam::AdamOptions;
use sparse_adam_burn::{Error, Gpu, Lookups, SparseAdam};
use std::error::Error as AnyError;
use std::time::{Duration, Instant};

const LR: f64 = 0.02;

fn main() -> Result<(), Box<dyn AnyError>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => side_by_side(),
        ["--bench"] => bench::all(),
        ["--case", optimizer, rows, dim, nnz, steps] => {
            let (rows, dim) = (rows.parse()?, dim.parse()?);
            bench::one(optimizer, rows, dim, nnz.parse()?, steps.parse()?)
        }
        _ => Err("usage: skipgram [--bench]".into()),
    }
}

fn side_by_side() -> Result<(), Box<dyn AnyError>> {
    let gpu = Gpu::open(Device::wgpu_options())?;
    println!("adapter: {}", bench::adapter(&gpu));

    // burn's Adam moves every row at every step, and puts eps on the corrected root; SparseAdam
    // moves the rows of the batch, and puts eps on the uncorrected one. Where a batch names
    // every row and eps is negligible, the mathematics is the same.
    println!("\nevery row in every batch, eps 1e-12: the losses agree");
    let mut rng = Rng::new(1);
    let start = rng.start(512, 32);
    let (mut sparse, mut dense) = (
        SparseRun::new(&gpu, &start, 1e-12)?,
        DenseRun::new(&gpu, &start, 1e-12),
    );
    let mut apart = 0.0f32;
    println!("  step  SparseAdam  burn's Adam");
    for step in 0..=100 {
        let ids = Ids::new(&rng.all(start.rows), &gpu.device());
        let losses = (sparse.step(&ids)?, dense.step(&ids));
        let losses = (value(losses.0), value(losses.1));
        apart = apart.max((losses.0 - losses.1).abs() / losses.1);
        if step % 20 == 0 {
            println!("  {step:4}  {:10.6}  {:11.6}", losses.0, losses.1);
        }
    }
    println!("  largest relative difference: {apart:.1e}");
    if apart > 1e-3 {
        return Err("the losses do not agree".into());
    }

    let (rows, dim, pairs, steps) = (50_000, 64, 1024, 60);
    println!("\n{rows} words of {dim} values, batches of {pairs} pairs with 5 negatives");
    let start = rng.start(rows, dim);
    let batches: Vec<_> = (0..steps).map(|_| rng.batch(rows, pairs)).collect();
    let mut sparse = SparseRun::new(&gpu, &start, 1e-8)?;
    let sparse_trained = train(&gpu, &batches, |ids| Ok(sparse.step(ids)?))?;
    drop(sparse);
    gpu.device().memory_cleanup();
    let mut dense = DenseRun::new(&gpu, &start, 1e-8);
    let dense_trained = train(&gpu, &batches, |ids| Ok(dense.step(ids)))?;
    println!("               SparseAdam  burn's Adam");
    for (at, (ours, theirs)) in sparse_trained
        .losses
        .iter()
        .zip(&dense_trained.losses)
        .enumerate()
    {
        if at % 15 == 0 || at + 1 == steps {
            println!("  loss {at:3}     {ours:10.4}  {theirs:11.4}");
        }
    }
    let ms = |trained: &Trained| trained.step.as_secs_f64() * 1e3;
    let (ours, theirs) = (ms(&sparse_trained), ms(&dense_trained));
    println!("  ms a step    {ours:10.1}  {theirs:11.1}");
    let mib = |trained: &Trained| trained.bytes as f64 / f64::from(1 << 20);
    let (ours, theirs) = (mib(&sparse_trained), mib(&dense_trained));
    println!("  MiB on GPU   {ours:10.1}  {theirs:11.1}");
    Ok(())
}

/// The model and its optimizer: what a training loop with sparse embeddings looks like.
struct SparseRun {
    model: Option<Sparse>,
    optimizer: SparseAdam,
}

impl SparseRun {
    fn new(gpu: &Gpu, start: &Start, eps: f64) -> Result<Self, Error> {
        let model = Sparse::new(start, &gpu.device().autodiff());
        let options = AdamOptions::default().lr(LR).eps(eps);
        let mut optimizer = SparseAdam::new(gpu, options)?;
        optimizer.add("words", &model.words.weight)?;
        optimizer.add("contexts", &model.contexts.weight)?;
        Ok(Self {
            model: Some(model),
            optimizer,
        })
    }

    fn step(&mut self, batch: &Ids) -> Result<Tensor<1>, Error> {
        let Some(model) = self.model.take() else {
            unreachable!("it is put back below");
        };
        let mut lookups = Lookups::new();
        let loss = model.loss(batch, &mut lookups);
        let mut grads = loss.backward();
        self.model = Some(self.optimizer.step(model, lookups, &mut grads)?);
        // Dense parameters, if there were any, would go to one of burn's optimizers here:
        // let grads = GradientsParams::from_grads(grads, &model);
        // model = adam.step(lr, model, grads);
        Ok(loss.inner())
    }
}

/// The same with burn's own embedding and Adam.
struct DenseRun {
    model: Option<Dense>,
    optimizer: ModuleOptimizer,
}

impl DenseRun {
    fn new(gpu: &Gpu, start: &Start, eps: f32) -> Self {
        Self {
            model: Some(Dense::new(start, &gpu.device().autodiff())),
            optimizer: AdamConfig::new().with_epsilon(eps).init(),
        }
    }

    fn step(&mut self, batch: &Ids) -> Tensor<1> {
        let Some(model) = self.model.take() else {
            unreachable!("it is put back below");
        };
        let loss = model.loss(batch);
        let grads = GradientsParams::from_grads(loss.backward(), &model);
        self.model = Some(self.optimizer.step(LR, model, grads));
        loss.inner()
    }
}

fn value(loss: Tensor<1>) -> f32 {
    loss.into_scalar()
}

struct Trained {
    losses: Vec<f32>,
    /// Median.
    step: Duration,
    bytes: u64,
}

fn train(
    gpu: &Gpu,
    batches: &[data::Batch],
    mut step: impl FnMut(&Ids) -> Result<Tensor<1>, Box<dyn AnyError>>,
) -> Result<Trained, Box<dyn AnyError>> {
    let (mut losses, mut times, mut bytes) = (Vec::new(), Vec::new(), 0);
    for batch in batches {
        let ids = Ids::new(batch, &gpu.device());
        let began = Instant::now();
        let loss = step(&ids)?;
        bench::finish(gpu)?;
        times.push(began.elapsed());
        losses.push(value(loss));
        bytes = bytes.max(memory::on_gpu(gpu));
    }
    times.sort();
    Ok(Trained {
        losses,
        step: times[times.len() / 2],
        bytes,
    })
}
