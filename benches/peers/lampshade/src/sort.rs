//! How a sort is timed, ours and theirs alike.

use crate::clock::GpuClock;
use sparse_adam_testkit::headless::Gpu;
use std::error::Error;
use std::time::Instant;
use wgpu::{CommandEncoder, CommandEncoderDescriptor, QuerySet};

/// Timed runs of each sort, and untimed ones before them.
const ROUNDS: u32 = 9;
const WARM_UP: u32 = 2;

/// What there is to say of a sort.
#[derive(Clone, Copy)]
pub struct About {
    pub peer: &'static str,
    pub version: Option<&'static str>,
    /// What `record` records.
    pub wall_of: &'static str,
}

/// Something that sorts the pairs, checked before it is timed.
pub trait Sort {
    fn about(&self) -> About;

    /// How the result was checked.
    fn checked(&self) -> &'static str;

    fn gpu(&self) -> &Gpu;

    fn record(&mut self, encoder: &mut CommandEncoder) -> Result<(), Box<dyn Error>>;

    /// As `record`, with the GPU's clock; returns the queries at the beginning and the end of the
    /// sort.
    fn record_clocked(
        &mut self,
        encoder: &mut CommandEncoder,
        queries: &QuerySet,
    ) -> Result<[u32; 2], Box<dyn Error>>;
}

/// A sort and its times in milliseconds.
pub struct Timed<'a> {
    pub sort: Box<dyn Sort + 'a>,
    clock: Option<GpuClock>,
    pub wall_ms: Vec<f64>,
    /// Empty where the adapter has no timestamps.
    pub gpu_ms: Vec<f64>,
}

impl<'a> Timed<'a> {
    pub fn new(sort: Box<dyn Sort + 'a>) -> Self {
        let clock = GpuClock::new(sort.gpu());
        Self { sort, clock, wall_ms: Vec::new(), gpu_ms: Vec::new() }
    }

    /// One run by the wall's clock, one by the GPU's.
    fn round(&mut self) -> Result<(), Box<dyn Error>> {
        self.wall_ms.push(wall_ms(&mut *self.sort)?);
        if let Some(clock) = &self.clock {
            self.gpu_ms.push(clock.time_ms(&mut *self.sort)?);
        }
        Ok(())
    }

    fn forget(&mut self) {
        self.wall_ms.clear();
        self.gpu_ms.clear();
    }
}

/// Times all of them in turns.
pub fn measure(timed: &mut [Timed<'_>]) -> Result<(), Box<dyn Error>> {
    for _ in 0..WARM_UP {
        timed.iter_mut().try_for_each(Timed::round)?;
    }
    timed.iter_mut().for_each(Timed::forget);
    (0..ROUNDS).try_for_each(|_| timed.iter_mut().try_for_each(Timed::round))
}

/// From submit to completion.
fn wall_ms(sort: &mut dyn Sort) -> Result<f64, Box<dyn Error>> {
    let mut encoder = encoder(sort.gpu());
    sort.record(&mut encoder)?;
    let commands = encoder.finish();
    let start = Instant::now();
    sort.gpu().queue.submit([commands]);
    sort.gpu().wait()?;
    Ok(1e3 * start.elapsed().as_secs_f64())
}

pub fn encoder(gpu: &Gpu) -> CommandEncoder {
    gpu.device.create_command_encoder(&CommandEncoderDescriptor { label: Some("sort") })
}
