//! A case on an adapter: tables, gradients and the optimizer, and its steps.

use crate::cases::Case;
use crate::elements::{initial, values};
use sparse_adam::{
    AdamOptions, Duplicates, Error, Param, ParamId, SparseAdam, SparseGrad, Timestamps, Tuning,
};
use sparse_adam_testkit::headless::Gpu;
use std::time::{Duration, Instant};
use wgpu::{Buffer, CommandEncoder, CommandEncoderDescriptor};

/// A case, ready to step.
pub struct Bench<'a> {
    pub gpu: &'a Gpu,
    pub optimizer: SparseAdam,
    pub tables: Vec<Table>,
}

/// One table and its gradient.
pub struct Table {
    pub param: ParamId,
    pub ids: Vec<u32>,
    pub buffer: Buffer,
    grad: SparseGrad,
}

/// How long a step took on the host: to record, and to the GPU's completion.
pub struct Stepped {
    pub record: Duration,
    pub whole: Duration,
}

impl<'a> Bench<'a> {
    pub fn new(gpu: &'a Gpu, tuning: Tuning, case: &Case) -> Result<Self, Error> {
        let mut optimizer = gpu.optimizer(AdamOptions::default(), tuning)?;
        let tables = (0..case.tables).map(|table| Table::new(gpu, &mut optimizer, case, table));
        let tables = tables.collect::<Result<_, _>>()?;
        gpu.wait()?;
        Ok(Self { gpu, optimizer, tables })
    }

    /// Sets the gradients and records a step.
    pub fn record(&mut self, encoder: &mut CommandEncoder) -> Result<(), Error> {
        self.set_grads()?;
        self.optimizer.step(encoder)
    }

    fn set_grads(&mut self) -> Result<(), Error> {
        let mut tables = self.tables.iter();
        tables.try_for_each(|table| self.optimizer.set_grad(table.param, table.grad.clone()))
    }

    /// Heap allocations while a step like those before is recorded, wgpu's included.
    pub fn record_allocations(&mut self) -> Result<u64, Error> {
        let mut encoder = self.encoder();
        let mut recorded = Ok(());
        let counted = allocation_counter::measure(|| recorded = self.record(&mut encoder));
        recorded?;
        self.gpu.queue.submit([encoder.finish()]);
        self.gpu.wait()?;
        Ok(counted.count_total)
    }

    /// As [`Bench::record`], with the GPU's clock.
    pub fn record_timed(
        &mut self,
        encoder: &mut CommandEncoder,
        timestamps: Timestamps<'_>,
    ) -> Result<(), Error> {
        self.set_grads()?;
        self.optimizer.step_with_timestamps(encoder, timestamps)
    }

    fn encoder(&self) -> CommandEncoder {
        self.gpu.device.create_command_encoder(&CommandEncoderDescriptor { label: None })
    }

    /// One step, waited for.
    pub fn step(&mut self) -> Result<Stepped, Error> {
        let start = Instant::now();
        let mut encoder = self.encoder();
        let recording = Instant::now();
        self.record(&mut encoder)?;
        let record = recording.elapsed();
        self.gpu.queue.submit([encoder.finish()]);
        self.gpu.wait()?;
        Ok(Stepped { record, whole: start.elapsed() })
    }

    /// `steps` steps, each submitted without waiting for the one before; all waited for.
    pub fn queued_steps(&mut self, steps: u32) -> Result<Duration, Error> {
        let start = Instant::now();
        for _ in 0..steps {
            let mut encoder = self.encoder();
            self.record(&mut encoder)?;
            self.gpu.queue.submit([encoder.finish()]);
        }
        self.gpu.wait()?;
        Ok(start.elapsed())
    }
}

impl Table {
    fn new(gpu: &Gpu, optimizer: &mut SparseAdam, case: &Case, table: u32) -> Result<Self, Error> {
        let shape = [case.rows, case.dim];
        let buffer = upload_elements(gpu, "table", case.rows * case.dim, initial(table));
        let param = optimizer.add_param(Param::new(format!("table {table}"), &buffer, shape))?;
        let value_rows = case.value_rows(table);
        let values = upload_elements(gpu, "values", value_rows * case.dim, values(table));
        let ids = case.ids(table);
        let grad = SparseGrad::new(gpu.upload("ids", &ids), &values, ids.len() as u32);
        let grad = match case.value_map(table) {
            Some(map) => grad.value_map(gpu.upload("map", &map), value_rows),
            None => grad,
        };
        let promise = if case.promise { Duplicates::None } else { Duplicates::Summed };
        Ok(Self { param, ids, buffer, grad: grad.duplicates(promise) })
    }
}

fn upload_elements(gpu: &Gpu, label: &str, elements: u32, at: impl Fn(u32) -> f32) -> Buffer {
    gpu.upload(label, &(0..elements).map(at).collect::<Vec<f32>>())
}
