//! What times steps on a device.

use super::clock::{Span, Stopwatch, is_believed, step_seconds};
use super::field::Field;
use super::search::Bench;
use super::tuned::Clock;
use super::workload::{Workload, floats};
use crate::guard::Guard;
use crate::readback::{Reading, Wait};
use crate::step::shape::DeviceShape;
use crate::{
    AdamOptions, Error, Kit, Param, ParamId, Region, SparseAdam, SparseGrad, Tuning, upload,
};
use foldhash::quality::FixedState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;
use web_time::Instant;
use wgpu::{Buffer, Device, Queue};

const LABEL: &str = "sparse_adam::tune";

/// Steps whose bits are compared: the second works with moments that are not zero.
const COMPARED: u32 = 2;
/// A GPU's clock is low when it has nothing to do: so long it is given steps before the first that counts, and so
/// long where it rested for longer than a blink.
const FIRST_WARM_UP: Duration = Duration::from_millis(250);
const WARM_UP: Duration = Duration::from_millis(60);
const BLINK: Duration = Duration::from_millis(30);
/// A submission of so many seconds stands out of what surrounds it; most steps of one.
const LONG: f64 = 5e-3;
const MOST_STEPS: u32 = 512;
/// How often the GPU's clock is looked at: the least counts, because others may have the machine busy.
const LOOKS: u32 = 5;

/// A device, with the buffers of all workloads.
pub struct GpuBench<'a> {
    guard: Guard,
    workloads: &'a [Workload],
    start: Instant,
    stopwatch: Stopwatch,
    /// Whose clock counts; None before it was looked at.
    clock: Option<Clock>,
    /// The parameter of every workload, and what it is at first: as much as the largest has.
    param: Buffer,
    initial: Buffer,
    values: Buffer,
    ids: Vec<Buffer>,
    /// Steps of a submission, workload by workload, once that is known.
    steps: Vec<Option<u32>>,
    kits: Vec<Kit>,
    /// When the GPU last had something to do.
    busy: Option<Instant>,
}

impl<'a> GpuBench<'a> {
    /// # Errors
    /// Those of making its buffers.
    pub fn new(
        device: &Device,
        queue: &Queue,
        workloads: &'a [Workload],
        start: Instant,
    ) -> Result<Self, Error> {
        let guard = Guard::new(device, queue);
        guard.alive()?;
        let most = |of: fn(&Workload) -> u64| workloads.iter().map(of).max().unwrap_or(1);
        let params = most(|workload| u64::from(workload.rows) * u64::from(workload.dim));
        let values = most(|workload| u64::from(workload.nnz) * u64::from(workload.dim));
        let filled = |contents: &[u8]| -> Result<Buffer, Error> {
            let buffer = guard.storage(LABEL, contents.len() as u64)?;
            upload::write(&guard, &buffer, 0, contents)?;
            Ok(buffer)
        };
        let initial = filled(bytemuck::cast_slice(&floats(params)))?;
        let values = filled(bytemuck::cast_slice(&floats(values)))?;
        let ids = workloads.iter().map(|workload| filled(bytemuck::cast_slice(&workload.ids())));
        Ok(Self {
            ids: ids.collect::<Result<_, _>>()?,
            param: guard.storage(LABEL, initial.size())?,
            stopwatch: Stopwatch::new(&guard)?,
            clock: None,
            initial,
            values,
            steps: vec![None; workloads.len()],
            kits: Vec::new(),
            busy: None,
            guard,
            workloads,
            start,
        })
    }

    /// The clock that was believed.
    pub fn clock(&self) -> Clock {
        self.clock.unwrap_or(Clock::Wall)
    }

    /// An optimizer that has not stepped yet, with the pipelines of earlier ones of its tuning.
    fn optimizer(
        &mut self,
        tuning: &Tuning,
        workload: usize,
    ) -> Result<(SparseAdam, ParamId, Region), Error> {
        let Guard { device, queue, .. } = &self.guard;
        let kit = match self.kits.iter().find(|kit| kit.tuning() == tuning) {
            Some(kit) => kit.clone(),
            None => {
                let made = Kit::with_tuning(device, queue, *tuning)?;
                self.kits.push(made.clone());
                made
            }
        };
        let Workload { rows, dim, nnz, .. } = self.workloads[workload];
        let mut optimizer = SparseAdam::with_kit(&kit, AdamOptions::default())?;
        let bytes = |count: u32| 4 * u64::from(count) * u64::from(dim);
        let param = Region::new(&self.param, 0, bytes(rows));
        let id = optimizer.add_param(Param::new("tune", &param, [rows, dim]))?;
        let values = Region::new(&self.values, 0, bytes(nnz));
        optimizer.set_grad(id, SparseGrad::new(&self.ids[workload], values, nnz))?;
        optimizer.prepare()?;
        Ok((optimizer, id, param))
    }

    async fn time(&mut self, optimizer: &mut SparseAdam, steps: u32) -> Result<Span, Error> {
        let record = |encoder: &mut _| (0..steps).try_for_each(|_| optimizer.step(encoder));
        let span = self.stopwatch.time(&self.guard, record).await?;
        self.busy = Some(Instant::now());
        Ok(span)
    }

    /// Has the GPU step until its clock is up.
    async fn warm_up(&mut self, optimizer: &mut SparseAdam) -> Result<(), Error> {
        let long = match self.busy {
            None => FIRST_WARM_UP,
            Some(busy) if busy.elapsed() > BLINK => WARM_UP,
            Some(_) => Duration::ZERO,
        };
        let start = Instant::now();
        let mut steps = 1;
        // The first makes the moments.
        self.time(optimizer, 1).await?;
        while start.elapsed() < long {
            let span = self.time(optimizer, steps).await?;
            if span.host < LONG {
                steps = (2 * steps).min(MOST_STEPS);
            }
        }
        Ok(())
    }

    /// Steps that make a submission of a workload long enough.
    async fn enough(&mut self, optimizer: &mut SparseAdam, workload: usize) -> Result<u32, Error> {
        if let Some(steps) = self.steps[workload] {
            return Ok(steps);
        }
        let mut steps = 1;
        let mut host = self.time(optimizer, steps).await?.host;
        while host < LONG && steps < MOST_STEPS {
            let wanted = (LONG / host.max(1e-6)).ceil().clamp(2.0, 8.0) as u32;
            steps = (steps * wanted).min(MOST_STEPS);
            host = self.time(optimizer, steps).await?.host;
        }
        self.steps[workload] = Some(steps);
        Ok(steps)
    }

    /// So many steps, and twice as many; where the GPU's clock is not yet known, it is judged.
    async fn spans(
        &mut self,
        optimizer: &mut SparseAdam,
        steps: u32,
    ) -> Result<(Span, Span), Error> {
        let mut once = self.time(optimizer, steps).await?;
        let mut twice = self.time(optimizer, 2 * steps).await?;
        if self.clock.is_none() {
            for _ in 1..LOOKS {
                once = once.min(self.time(optimizer, steps).await?);
                twice = twice.min(self.time(optimizer, 2 * steps).await?);
            }
            let believed = is_believed(once, twice);
            self.clock = Some(if believed { Clock::Timestamps } else { Clock::Wall });
        }
        Ok((once, twice))
    }
}

impl Bench for GpuBench<'_> {
    fn can(&self, field: Field) -> bool {
        let device = DeviceShape::of(&self.guard.device.limits(), self.guard.device.features());
        match field {
            Field::Ballots => device.subgroups,
            Field::ReorderFrom => device.reorders(),
            _ => true,
        }
    }

    fn spent(&self) -> Duration {
        self.start.elapsed()
    }

    async fn bits(&mut self, tuning: &Tuning, workload: usize) -> Result<u64, Error> {
        let (mut optimizer, id, param) = self.optimizer(tuning, workload)?;
        self.guard.make(LABEL, 0, |device: &Device| {
            let mut encoder = device.create_command_encoder(&Default::default());
            encoder.copy_buffer_to_buffer(&self.initial, 0, &self.param, 0, param.size());
            self.guard.queue.submit([encoder.finish()]);
        })?;
        self.time(&mut optimizer, COMPARED).await?;
        let moments = optimizer.moments(id)?;
        let mut hasher = FixedState::default().build_hasher();
        // One after another, so that less is on its way at once.
        for region in [param].into_iter().chain(moments.into_iter().map(|window| window.region)) {
            let reading = Reading::start(&self.guard, &[region])?;
            reading.finish(&self.guard, Wait::Block, |bytes| hasher.write(bytes)).await?;
        }
        Ok(hasher.finish())
    }

    async fn seconds(&mut self, tuning: &Tuning, workload: usize) -> Result<f64, Error> {
        let (mut optimizer, ..) = self.optimizer(tuning, workload)?;
        self.warm_up(&mut optimizer).await?;
        let steps = self.enough(&mut optimizer, workload).await?;
        let (once, twice) = self.spans(&mut optimizer, steps).await?;
        let by_gpu = once.gpu.zip(twice.gpu).filter(|_| self.clock == Some(Clock::Timestamps));
        let (once, twice) = by_gpu.unwrap_or((once.host, twice.host));
        Ok(step_seconds(once, twice, steps))
    }

    fn keep(&mut self, tuning: &Tuning) {
        self.kits.retain(|kit| kit.tuning() == tuning);
    }
}
