//! Step time and memory of one embedding table, by optimizer and table size.
//!
//! Every case runs in a process of its own, so that its peak memory is its own.

use crate::data::Rng;
use crate::memory;
use burn::module::Param;
use burn::nn::Embedding;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Gradients, Int, Tensor, TensorData};
use serde_json::json;
use sparse_adam_burn::sparse_adam::AdamOptions;
use sparse_adam_burn::{Gpu, Lookups, SparseAdam, SparseEmbedding};
use std::error::Error;
use std::process::Command;
use std::time::Instant;

const SPARSE: &str = "sparse-adam-burn";
const DENSE: &str = "burn-adam";
const DIM: usize = 64;
const NNZ: usize = 65_536;
/// Rows of 64 f32: 500,000 is the most that fits 128 MiB, a common largest binding.
const ROWS: [usize; 5] = [10_000, 50_000, 100_000, 250_000, 500_000];
const STEPS: usize = 15;
const WARM_UP: usize = 3;

pub fn adapter(gpu: &Gpu) -> String {
    let info = gpu.wgpu().adapter_info();
    format!("{}, {}", info.name, info.backend)
}

/// Every case, a JSON line each. A case that fails says so and ends no other.
pub fn all() -> Result<(), Box<dyn Error>> {
    for rows in ROWS {
        for optimizer in [SPARSE, DENSE] {
            let case = [rows, DIM, NNZ, STEPS].map(|number| number.to_string());
            let status = Command::new(std::env::current_exe()?)
                .args(["--case", optimizer])
                .args(&case)
                .status()?;
            if !status.success() {
                let error = status.to_string();
                println!(
                    "{}",
                    json!({"optimizer": optimizer, "rows": rows, "dim": DIM, "nnz": NNZ, "error": error})
                );
            }
        }
    }
    Ok(())
}

/// One case: forward and backward, then the step, each until the device is done.
pub fn one(
    optimizer: &str,
    rows: usize,
    dim: usize,
    nnz: usize,
    steps: usize,
) -> Result<(), Box<dyn Error>> {
    let gpu = Gpu::open(Device::wgpu_options())?;
    let mut rng = Rng::new(1);
    let table = (0..rows * dim).map(|_| rng.signed(1.0)).collect();
    let weight = || {
        let data = TensorData::new(table, [rows, dim]);
        Param::from_data(data, &gpu.device().autodiff())
    };
    let slope = (0..nnz * dim).map(|_| rng.signed(1.0)).collect();
    let slope = Tensor::<2>::from_data(TensorData::new(slope, [nnz, dim]), &gpu.device());
    let batches: Vec<Vec<i32>> = (0..WARM_UP + steps)
        .map(|_| (0..nnz).map(|_| rng.below(rows) as i32).collect())
        .collect();
    let batches = batches.into_iter().map(|ids| {
        let data = TensorData::new(ids, [nnz]);
        Tensor::<1, Int>::from_data(data, &gpu.device())
    });
    let batches: Vec<_> = batches.collect();
    let slope = Tensor::from_inner(slope);
    let mut clock = Clock::new(&gpu);
    let mut ours = (0, 0);
    match optimizer {
        SPARSE => {
            let mut model = SparseEmbedding { weight: weight() };
            let mut adam = SparseAdam::new(&gpu, AdamOptions::default())?;
            adam.add("table", &model.weight)?;
            for ids in batches {
                let mut lookups = Lookups::new();
                let mut grads = clock.backward(|| {
                    let rows = model.rows(ids, &mut lookups);
                    (rows * slope.clone()).sum().backward()
                })?;
                model = clock.step(|| Ok(adam.step(model, lookups, &mut grads)?))?;
            }
            let held = adam.core().resources();
            ours = (held.state_bytes, held.scratch_bytes);
        }
        DENSE => {
            let mut model = Embedding { weight: weight() };
            let mut adam = AdamConfig::new().with_epsilon(1e-8).init();
            for ids in batches {
                let grads = clock.backward(|| {
                    let rows = model.forward(ids.unsqueeze_dim(0)).squeeze_dim::<2>(0);
                    (rows * slope.clone()).sum().backward()
                })?;
                let grads = GradientsParams::from_grads(grads, &model);
                model = clock.step(|| Ok(adam.step(1e-3, model, grads)))?;
            }
        }
        _ => return Err(format!("no optimizer {optimizer:?}").into()),
    }
    let pools = gpu.device().memory_pool_usage();
    let info = gpu.wgpu().adapter_info();
    let both: Vec<f64> = clock
        .backwards
        .iter()
        .zip(&clock.steps)
        .map(|(a, b)| a + b)
        .collect();
    println!(
        "{}",
        json!({
            "adapter": info.name, "backend": info.backend.to_string(),
            "driver": format!("{} {}", info.driver, info.driver_info),
            "burn": "0.22.1", "fusion": cfg!(feature = "fusion"),
            "optimizer": optimizer, "rows": rows, "dim": dim, "nnz": nnz,
            "distribution": "uniform", "steps": steps,
            "backward_ms_median": median(&clock.backwards), "backward_ms_min": least(&clock.backwards),
            "step_ms_median": median(&clock.steps), "step_ms_min": least(&clock.steps),
            "total_ms_median": median(&both), "total_ms_min": least(&both),
            "gpu_peak_bytes": clock.bytes,
            "burn_pool_bytes": pools.map(|pools| pools.bytes_reserved),
            "state_bytes": ours.0, "scratch_bytes": ours.1,
            "process_peak_bytes": memory::peak_of_process(),
        })
    );
    Ok(())
}

/// Times of the steps after the warm-up, in ms, and the most memory seen after any part.
struct Clock<'a> {
    gpu: &'a Gpu,
    seen: usize,
    backwards: Vec<f64>,
    steps: Vec<f64>,
    bytes: u64,
}

impl<'a> Clock<'a> {
    fn new(gpu: &'a Gpu) -> Self {
        Self {
            gpu,
            seen: 0,
            backwards: Vec::new(),
            steps: Vec::new(),
            bytes: 0,
        }
    }

    fn backward(&mut self, part: impl FnOnce() -> Gradients) -> Result<Gradients, Box<dyn Error>> {
        let (ms, grads) = self.time(|| Ok(part()))?;
        self.backwards.extend((self.seen >= WARM_UP).then_some(ms));
        Ok(grads)
    }

    fn step<T>(
        &mut self,
        part: impl FnOnce() -> Result<T, Box<dyn Error>>,
    ) -> Result<T, Box<dyn Error>> {
        let (ms, stepped) = self.time(part)?;
        self.steps.extend((self.seen >= WARM_UP).then_some(ms));
        self.seen += 1;
        Ok(stepped)
    }

    fn time<T>(
        &mut self,
        part: impl FnOnce() -> Result<T, Box<dyn Error>>,
    ) -> Result<(f64, T), Box<dyn Error>> {
        finish(self.gpu)?;
        let began = Instant::now();
        let result = part()?;
        finish(self.gpu)?;
        let ms = began.elapsed().as_secs_f64() * 1e3;
        self.bytes = self.bytes.max(memory::on_gpu(self.gpu));
        Ok((ms, result))
    }
}

/// Waits for burn's work and for whatever else was submitted.
pub fn finish(gpu: &Gpu) -> Result<(), Box<dyn Error>> {
    gpu.device().sync()?;
    gpu.wgpu().poll(wgpu::PollType::wait_indefinitely())?;
    Ok(())
}

fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    (sorted[sorted.len() / 2] * 100.0).round() / 100.0
}

fn least(times: &[f64]) -> f64 {
    let least = times.iter().copied().fold(f64::INFINITY, f64::min);
    (least * 100.0).round() / 100.0
}
