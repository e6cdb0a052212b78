//! A training run whose batches and values follow from a seed and a step's number: for runs that are compared.

use sparse_adam::{AdamOptions, Param, ParamId, SparseAdam};
use sparse_adam_cached::{CachedTable, Error, Layout, RowStore, f32_weights};
use sparse_adam_testkit::Rng;
use sparse_adam_testkit::headless::Gpu;

pub const ROWS: u64 = 3000;
pub const DIM: u32 = 8;
const SLOTS: u32 = 400;
const ENTRIES: usize = 150;

/// A table of some store, and its optimizer.
pub struct Run<'a, S: RowStore> {
    gpu: &'a Gpu,
    pub adam: SparseAdam,
    param: ParamId,
    pub table: CachedTable<S>,
    seed: u64,
}

/// The ids of a step, few rows often and many seldom.
fn ids(seed: u64, step: u64) -> Vec<u64> {
    let mut rng = Rng::of_stream(seed, step);
    let mut id = || (ROWS as f64 * rng.fraction().powi(3)) as u64;
    (0..ENTRIES).map(|_| id()).collect()
}

/// The ids and values of a step.
pub fn batch(seed: u64, step: u64) -> (Vec<u64>, Vec<f32>) {
    (ids(seed, step), Rng::of_stream(!seed, step).floats(ENTRIES * DIM as usize))
}

/// A row's first weights.
pub fn init() -> impl Fn(u64, &mut [u8]) + Send + Sync + 'static {
    f32_weights(|row, weights| weights.fill((row as f32 + 0.5) / ROWS as f32))
}

impl<'a, S: RowStore> Run<'a, S> {
    pub fn new(
        gpu: &'a Gpu,
        seed: u64,
        open: impl FnOnce(Layout) -> Result<S, Error>,
    ) -> Result<Self, Error> {
        let mut adam = SparseAdam::new(&gpu.device, &gpu.queue, AdamOptions::default().lr(0.01))?;
        let weights = gpu.zeroed("cache", 4 * u64::from(SLOTS * DIM));
        let param = adam.add_param(Param::new("items", &weights, [SLOTS, DIM]))?;
        let table = CachedTable::new(&gpu.device, &gpu.queue, &mut adam, param, open)?;
        Ok(Self { gpu, adam, param, table, seed })
    }

    /// Steps counted.
    pub fn steps(&self) -> u64 {
        self.adam.step_count(self.param).unwrap()
    }

    /// One more step.
    pub fn step(&mut self) -> Result<(), Error> {
        let step = self.steps();
        let (ids, values) = batch(self.seed, step);
        let plan = self.table.plan(&ids)?;
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        let batch = self.table.load(&mut self.adam, &mut encoder, plan)?;
        let values = self.gpu.upload("values", &values);
        let grad = self.table.grad(&batch, &values)?;
        self.adam.set_grad(self.param, grad)?;
        self.adam.step(&mut encoder)?;
        self.gpu.queue.submit([encoder.finish()]);
        Ok(())
    }
}

/// A checksum over every row of a store.
pub fn sum(store: &impl RowStore) -> u32 {
    let rows: Vec<u64> = (0..store.rows()).collect();
    let mut records = vec![0; rows.len() * store.layout().bytes()];
    store.read(&rows, &mut records).unwrap();
    crc32fast::hash(&records)
}
