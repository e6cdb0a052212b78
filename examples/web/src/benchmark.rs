//! How long a step takes.
//!
//! A browser's clock is coarse and its GPU is far away: steps are submitted one by one, but
//! waited for by the batch, and a batch is long enough to be timed.

use crate::cases::{Case, Distribution, values};
use crate::now;
use serde::Serialize;
use sparse_adam::reference::{self, Gradient, Table};
use sparse_adam::{AdamOptions, Error, Param, ParamId, SparseAdam, SparseGrad};
use sparse_adam_testkit::conformance::bound;
use sparse_adam_testkit::headless::Gpu;
use sparse_adam_testkit::trace::Comparison;
use wgpu::Buffer;

/// Milliseconds that a batch of steps should take at least.
const BATCH_MS: f64 = 40.0;
/// Batches timed.
const BATCHES: usize = 7;
/// Most rows that are compared with the twin.
const CHECKED_ROWS: usize = 2000;

/// One case's result; the fields of the `headless_bench` example.
#[derive(Serialize)]
pub struct Timed {
    adapter: String,
    backend: String,
    rows: u32,
    dim: u32,
    nnz: u32,
    unique: usize,
    tables: u32,
    distribution: Distribution,
    step_ms_median: f64,
    step_ms_min: f64,
    record_us_median: f64,
    floor_bytes: u64,
    gbps: f64,
    copy_gbps: f64,
    fraction_of_copy: f64,
    dispatches: u32,
    /// Largest distance from the twin over the rows compared.
    max_ulp: u64,
    /// Whether those rows are within the adapter's bound.
    ok: bool,
}

/// A table and a gradient on the device.
struct Bench<'a> {
    gpu: &'a Gpu,
    optimizer: SparseAdam,
    id: ParamId,
    param: Buffer,
    grad: SparseGrad,
}

impl<'a> Bench<'a> {
    fn new(gpu: &'a Gpu, case: &Case, indices: &[u32], rows: &[f32]) -> Result<Self, Error> {
        let mut optimizer = SparseAdam::new(&gpu.device, &gpu.queue, AdamOptions::default())?;
        let bytes = 4 * u64::from(case.rows) * u64::from(case.dim);
        let param = gpu.zeroed("table", bytes);
        let id = optimizer.add_param(Param::new("table", &param, [case.rows, case.dim]))?;
        let (indices, values) = (gpu.upload("indices", indices), gpu.upload("values", rows));
        let grad = SparseGrad::new(&indices, &values, case.nnz);
        Ok(Self { gpu, optimizer, id, param, grad })
    }

    fn step(&mut self) -> Result<(), Error> {
        self.optimizer.set_grad(self.id, self.grad.clone())?;
        let optimizer = &mut self.optimizer;
        self.gpu.submit(|encoder| optimizer.step(encoder))
    }

    /// Milliseconds a step over `count` steps, and microseconds of recording each.
    async fn batch(&mut self, count: u32) -> Result<(f64, f64), Error> {
        let start = now();
        for _ in 0..count {
            self.step()?;
        }
        let recorded = now();
        self.gpu.finished().await?;
        let each = f64::from(count);
        Ok(((now() - start) / each, (recorded - start) * 1e3 / each))
    }
}

/// Checks one step of `case` against the twin, then times it.
pub async fn run(gpu: &Gpu, case: &Case, copy_gbps: f64) -> Result<Timed, Error> {
    let indices = case.indices();
    let rows = values(case.nnz as usize * case.dim as usize);
    let mut bench = Bench::new(gpu, case, &indices, &rows)?;
    bench.step()?;
    let (unique, compared) = compare(&bench, case, &indices, &rows).await?;
    let once = bench.batch(1).await?.0;
    let count = (BATCH_MS / once.max(0.01)).ceil().clamp(1.0, 400.0) as u32;
    let (mut steps, mut records) = (Vec::new(), Vec::new());
    for _ in 0..BATCHES {
        let (step, record) = bench.batch(count).await?;
        steps.push(step);
        records.push(record);
    }
    steps.sort_by(f64::total_cmp);
    records.sort_by(f64::total_cmp);
    let (median, dim) = (steps[BATCHES / 2], u64::from(case.dim));
    let floor_bytes = u64::from(case.nnz) * (4 + 4 * dim) + unique as u64 * 24 * dim;
    let gbps = floor_bytes as f64 / median / 1e6;
    Ok(Timed {
        adapter: gpu.info.name.clone(),
        backend: gpu.info.backend.to_string(),
        rows: case.rows,
        dim: case.dim,
        nnz: case.nnz,
        unique,
        tables: 1,
        distribution: case.distribution,
        step_ms_median: median,
        step_ms_min: steps[0],
        record_us_median: records[BATCHES / 2],
        floor_bytes,
        gbps,
        copy_gbps,
        fraction_of_copy: gbps / copy_gbps,
        dispatches: bench.optimizer.dispatches(),
        max_ulp: compared.max_ulp,
        ok: compared.within,
    })
}

/// How many rows the first step touched, and some of them beside a twin of these rows alone: a
/// row depends on nothing but its own entries.
async fn compare(
    bench: &Bench<'_>,
    case: &Case,
    indices: &[u32],
    values: &[f32],
) -> Result<(usize, Comparison), Error> {
    let (gpu, dim) = (bench.gpu, case.dim as usize);
    let mut touched = indices.to_vec();
    touched.sort_unstable();
    touched.dedup();
    let unique = touched.len();
    touched.truncate(CHECKED_ROWS);
    let mut same = Gradient::default();
    for (index, row) in indices.iter().zip(values.chunks_exact(dim)) {
        if let Ok(rank) = touched.binary_search(index) {
            same.indices.push(rank as i64);
            same.values.extend(row);
        }
    }
    let mut twin = Table::new(vec![0.0; touched.len() * dim], dim);
    reference::step(&mut twin, &same, &AdamOptions::default());
    let row_bytes = 4 * u64::from(case.dim);
    let gathered = gpu.zeroed("rows to compare", touched.len() as u64 * row_bytes);
    gpu.submit(|encoder| {
        for (to, &from) in (0..).zip(&touched) {
            let from = u64::from(from) * row_bytes;
            encoder.copy_buffer_to_buffer(&bench.param, from, &gathered, to * row_bytes, row_bytes);
        }
        Ok(())
    })?;
    let found: Vec<f32> = gpu.read(&gathered).await?;
    let compared = Comparison::new(
        "param".into(),
        &found,
        &twin.param,
        bound(gpu.has_bits_of_twin(bench.optimizer.tuning())),
    );
    Ok((unique, compared))
}

/// The best of some copies between two buffers of `bytes`, in GB/s read and written.
pub async fn copy_bandwidth(gpu: &Gpu, bytes: u64) -> Result<f64, Error> {
    let (from, to) = (gpu.zeroed("from", bytes), gpu.zeroed("to", bytes));
    let (mut best, mut count) = (f64::INFINITY, 1u32);
    for _ in 0..BATCHES {
        let start = now();
        gpu.submit(|encoder| {
            for _ in 0..count {
                encoder.copy_buffer_to_buffer(&from, 0, &to, 0, bytes);
            }
            Ok(())
        })?;
        gpu.finished().await?;
        let each = (now() - start) / f64::from(count);
        best = best.min(each);
        count = (BATCH_MS / each.max(0.01)).ceil().clamp(1.0, 200.0) as u32;
    }
    Ok(2.0 * bytes as f64 / best / 1e6)
}
