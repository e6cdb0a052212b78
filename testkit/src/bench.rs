//! Steps to be timed: a case on an adapter, with its tables, gradients and optimizer.

mod cases;
mod check;
mod clock;
mod elements;
mod ids;
mod places;

pub use cases::{Case, standard};
pub use check::{CHECKED_STEPS, Expected, check, is_exact};
pub use clock::{GpuClock, STAGES};
pub use ids::Distribution;

use crate::headless::Gpu;
use elements::{initial, values};
use places::{Kind, Places};
use sparse_adam::{
    AdamOptions, Duplicates, Error, Form, Param, ParamId, Region, SparseAdam, SparseGrad,
    Timestamps, Tuning,
};
use std::time::{Duration, Instant};
use wgpu::{CommandEncoder, CommandEncoderDescriptor};

/// Untimed steps before those that are timed.
const WARM_UP: u32 = 2;
/// How long a GPU steps before it is timed: one that rests runs its cores at a fifth of their clock, and an H200 that had
/// waited for each of its steps for 200 ms did so still.
const CLOCK_RISES: Duration = Duration::from_millis(600);

/// A case, ready to step.
pub struct Bench<'a> {
    /// The adapter.
    pub gpu: &'a Gpu,
    /// What steps.
    pub optimizer: SparseAdam,
    /// What is stepped.
    pub tables: Vec<Table>,
}

/// One table and its gradient.
pub struct Table {
    /// Its number in the optimizer.
    pub param: ParamId,
    /// The rows that the gradient's entries name.
    pub ids: Vec<u32>,
    /// Its values, `[rows, dim]`.
    pub region: Region,
    grad: SparseGrad,
}

/// How long a step took on the host.
pub struct Stepped {
    /// To record it.
    pub record: Duration,
    /// From the start of recording to the GPU's completion.
    pub whole: Duration,
}

impl<'a> Bench<'a> {
    /// Uploads a case's tables and gradients.
    ///
    /// # Errors
    /// Those of the optimizer; [`Error::DeviceLost`].
    pub fn new(gpu: &'a Gpu, tuning: Tuning, case: &Case) -> Result<Self, Error> {
        let mut optimizer = gpu.optimizer(AdamOptions::default(), tuning)?;
        let mut places = Places::new(gpu, case);
        let tables = (0..case.tables)
            .map(|table| Table::new((gpu, &mut places), &mut optimizer, case, table));
        let tables = tables.collect::<Result<_, _>>()?;
        gpu.wait()?;
        Ok(Self { gpu, optimizer, tables })
    }

    /// Sets the gradients and records a step.
    ///
    /// # Errors
    /// Those of [`SparseAdam::step`].
    pub fn record(&mut self, encoder: &mut CommandEncoder) -> Result<(), Error> {
        self.set_grads()?;
        self.optimizer.step(encoder)
    }

    /// Sets each table's gradient.
    fn set_grads(&mut self) -> Result<(), Error> {
        let mut tables = self.tables.iter();
        tables.try_for_each(|table| self.optimizer.set_grad(table.param, table.grad.clone()))
    }

    /// As [`Bench::record`], with the GPU's clock.
    ///
    /// # Errors
    /// Those of [`SparseAdam::step_with_timestamps`].
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
    ///
    /// # Errors
    /// Those of [`SparseAdam::step`]; [`Error::DeviceLost`].
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

    /// Steps until the adapter is as fast as in a training that goes on.
    ///
    /// # Errors
    /// As [`Bench::step`].
    pub fn warm_up(&mut self) -> Result<(), Error> {
        let start = Instant::now();
        self.queued_steps(WARM_UP)?;
        let is_gpu = self.optimizer.tuning().form == Form::Parallel;
        while is_gpu && start.elapsed() < CLOCK_RISES {
            // So many that it does not rest while the next are recorded.
            self.queued_steps(8 * WARM_UP)?;
        }
        Ok(())
    }

    /// A step of several that are recorded into one encoder and submitted at once: the difference between `steps` and
    /// twice as many, so that what a submission takes is not counted; the median of three.
    ///
    /// # Errors
    /// As [`Bench::step`].
    pub fn batched_step(&mut self, steps: u32) -> Result<Duration, Error> {
        let mut differences = [Duration::ZERO; 3];
        for difference in &mut differences {
            let [once, twice] = [self.batch(steps)?, self.batch(2 * steps)?];
            *difference = twice.saturating_sub(once) / steps;
        }
        differences.sort_unstable();
        Ok(differences[1])
    }

    /// From the submission of `steps` steps to the GPU's completion.
    fn batch(&mut self, steps: u32) -> Result<Duration, Error> {
        let mut encoder = self.encoder();
        (0..steps).try_for_each(|_| self.record(&mut encoder))?;
        let commands = encoder.finish();
        let start = Instant::now();
        self.gpu.queue.submit([commands]);
        self.gpu.wait()?;
        Ok(start.elapsed())
    }

    /// `steps` steps, each submitted without waiting for the one before; all waited for.
    ///
    /// # Errors
    /// As [`Bench::step`].
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
    fn new(
        (gpu, places): (&Gpu, &mut Places),
        optimizer: &mut SparseAdam,
        case: &Case,
        table: u32,
    ) -> Result<Self, Error> {
        let shape = [case.rows, case.dim];
        let region = places.of(gpu, Kind::Table, &elements(case.rows * case.dim, initial(table)));
        let param = optimizer.add_param(Param::new(format!("table {table}"), &region, shape))?;
        let value_rows = case.value_rows(table);
        let values = elements(value_rows * case.dim, values(table));
        let values = places.of(gpu, Kind::Values, &values);
        let ids = case.ids(table);
        let grad = SparseGrad::new(places.of(gpu, Kind::Ids, &ids), values, ids.len() as u32);
        let grad = match case.value_map(table) {
            Some(map) => grad.value_map(gpu.upload("map", &map), value_rows),
            None => grad,
        };
        let promise = if case.promise { Duplicates::None } else { Duplicates::Summed };
        Ok(Self { param, ids, region, grad: grad.duplicates(promise) })
    }
}

fn elements(count: u32, at: impl Fn(u32) -> f32) -> Vec<f32> {
    (0..count).map(at).collect()
}
