//! The tuner: what is asked of it, and the run.

use super::bench::GpuBench;
use super::search::Search;
use super::tuned::Tuned;
use super::workload;
use crate::{Error, Tuning, device_limits};
use std::time::Duration;
use web_time::Instant;
use wgpu::{AdapterInfo, Device, Queue};

/// Where nobody says how long it may take.
const BUDGET: Duration = Duration::from_secs(10);

/// Finds the [`Tuning`] that is fastest on an adapter, by steps of its own on buffers of its own.
///
/// It varies a field after another, beginning with [`Tuning::for_adapter`]. Candidates take turns, each is timed five
/// times on each workload, and the median counts. What has other bits than the default after two steps, of the
/// parameter or the moments, is dropped, as the evidence says. The default stays unless something is 3 %
/// faster over all workloads, and on none 3 % slower. Form and arithmetic are the default's.
///
/// ```no_run
/// # async fn example(device: wgpu::Device, queue: wgpu::Queue, text: Option<String>)
/// # -> Result<(), sparse_adam::Error> {
/// use sparse_adam::tune::{Tuned, Tuner};
/// use sparse_adam::{AdamOptions, SparseAdam};
///
/// let info = device.adapter_info();
/// let kept = text.and_then(|text| Tuned::from_json(&text).ok());
/// let tuned = match kept.filter(|tuned| tuned.fits(&info)) {
///     Some(tuned) => tuned,
///     None => Tuner::new(&device, &queue, &info).run().await?, // and keep `tuned.to_json()?`
/// };
/// let options = AdamOptions::default();
/// let optimizer = SparseAdam::with_tuning(&device, &queue, options, tuned.tuning())?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Tuner {
    device: Device,
    queue: Queue,
    info: AdapterInfo,
    budget: Duration,
    shapes: Vec<[u32; 3]>,
}

impl Tuner {
    /// For a device of the adapter that `info` is of. Where the device has `Features::TIMESTAMP_QUERY` and its clock
    /// agrees with the host's, that clock counts, else the host's.
    pub fn new(device: &Device, queue: &Queue, info: &AdapterInfo) -> Self {
        Self {
            device: device.clone(),
            queue: queue.clone(),
            info: info.clone(),
            budget: BUDGET,
            shapes: Vec::new(),
        }
    }

    /// How long it may take; 10 seconds unless said. It begins no measurement that would, as long as the longest so
    /// far, end later; so it oversteps only by one that takes longer than those before, as the default's first, which
    /// builds its pipelines, or on a busy machine. What has been found by then counts, if it has won over all workloads.
    pub fn budget(self, budget: Duration) -> Self {
        Self { budget, ..self }
    }

    /// Steps to tune for, each a table's rows, its values per row, and the entries of a gradient; a few of common
    /// sizes unless said. All buffers take 256 MiB at most, and a quarter of the device's largest binding: rows
    /// and entries past that are left out. Each is timed with rows named alike, and with some that are named often.
    pub fn shapes(self, shapes: &[[u32; 3]]) -> Self {
        Self { shapes: shapes.to_vec(), ..self }
    }

    /// Searches. It submits, and natively waits for the device in the polls of the future, so that nothing else has the
    /// CPU between its measurements; in a browser it yields. Other work on the device makes them wrong.
    ///
    /// # Errors
    /// [`Error::InvalidShape`] for a shape with a 0; [`Error::DeviceLimit`], [`Error::TooLarge`],
    /// [`Error::OutOfMemory`], [`Error::Refused`], [`Error::DeviceLost`].
    pub async fn run(self) -> Result<Tuned, Error> {
        let start = Instant::now();
        let default = Tuning::for_adapter(&self.info);
        let limits = self.device.limits();
        device_limits::check(&limits)?;
        let bytes = workload::allowed(&limits);
        let workloads = match self.shapes.is_empty() {
            true => workload::standard(default.form, bytes),
            false => workload::of_shapes(&self.shapes, bytes)?,
        };
        let mut bench = GpuBench::new(&self.device, &self.queue, &workloads, start)?;
        let found = Search::new(&mut bench, default, &workloads, self.budget).run().await?;
        let mut tuned = Tuned::new(&self.info, bench.clock(), found.tuning);
        tuned.evidence = found.evidence;
        tuned.spent_ms = start.elapsed().as_millis() as u64;
        Ok(tuned)
    }
}
