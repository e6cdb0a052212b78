//! What every probe works with: kernels, and their time.

use crate::clock::{Clock, Span};
use crate::finding::Failure;
use crate::kernel::{Kernel, Work};
use sparse_adam::{Form, Tuning};
use sparse_adam_testkit::headless::Gpu;
use std::cell::{Cell, RefCell};
use std::time::Instant;
use wgpu::{Buffer, ComputePass};

/// Most bytes of a buffer of a probe.
const MOST_BYTES: u64 = 256 << 20;
/// A measurement of so many seconds stands out of what surrounds it: by the GPU's clock, by the host's.
const LONG: [f64; 2] = [4e-4, 6e-3];
/// One repetition of so many seconds needs no second one.
const VERY_LONG: f64 = 0.05;
/// Most repetitions of one submission.
const MOST_REPETITIONS: u32 = 512;

pub struct Lab {
    pub gpu: Gpu,
    /// Fewer sizes.
    pub quick: bool,
    /// Whether the adapter is a CPU: sizes are smaller.
    pub is_cpu: bool,
    clock: Clock,
    /// Whether the GPU's clock is believed.
    believed: Cell<bool>,
    compiled: RefCell<Vec<(String, f64)>>,
}

/// What was timed.
pub struct Timed {
    /// Of one repetition.
    pub seconds: f64,
    /// Repetitions that ran, timed or not.
    pub ran: u64,
}

impl Lab {
    pub fn new(gpu: Gpu, quick: bool) -> Self {
        let is_cpu = Tuning::for_adapter(&gpu.info).form == Form::Serial;
        let (clock, compiled) = (Clock::new(&gpu), RefCell::default());
        Self { gpu, quick, is_cpu, clock, believed: Cell::new(false), compiled }
    }

    /// From now on, the GPU's clock is believed, or not.
    pub fn believe(&self, believed: bool) {
        self.believed.set(believed);
    }

    /// The clock that times are from.
    pub fn clock_name(&self) -> &'static str {
        if self.believed.get() { "gpu" } else { "host" }
    }

    /// The first of the two on GPUs, the second on CPUs.
    pub fn sized<T>(&self, on_gpu: T, on_cpu: T) -> T {
        if self.is_cpu { on_cpu } else { on_gpu }
    }

    /// Most bytes of a buffer, a power of two.
    pub fn most_bytes(&self) -> u64 {
        let limits = self.gpu.device.limits();
        let most = (limits.max_storage_buffer_binding_size / 4).min(limits.max_buffer_size / 4);
        let most = most.min(self.sized(MOST_BYTES, MOST_BYTES / 16)).max(1 << 20);
        1 << most.ilog2()
    }

    /// Compiles an entry point of a source, which `config.wgsl` is put before, and keeps the time.
    pub fn kernel(&self, source: &str, entry: &str, constants: &[(&str, f64)]) -> Kernel {
        let source = [include_str!("wgsl/config.wgsl"), source].concat();
        let start = Instant::now();
        let kernel = Kernel::new(&self.gpu.device, &source, entry, constants);
        self.compiled.borrow_mut().push((entry.to_string(), 1e3 * start.elapsed().as_secs_f64()));
        kernel
    }

    /// Milliseconds that each pipeline took, by its entry point.
    pub fn compiled(&self) -> Vec<(String, f64)> {
        self.compiled.borrow().clone()
    }

    /// A dispatch of `groups` workgroups, [`Kernel::work`].
    pub fn work(
        &self,
        kernel: &Kernel,
        groups: u32,
        config: [u32; 4],
        buffers: &[(u32, &Buffer)],
    ) -> Work {
        kernel.work(&self.gpu.device, groups, config, buffers)
    }

    /// A buffer of zeros.
    pub fn zeroed(&self, bytes: u64) -> Buffer {
        self.gpu.zeroed("gpu_kit", bytes)
    }

    pub fn read(&self, buffer: &Buffer) -> Result<Vec<u32>, Failure> {
        Ok(pollster::block_on(self.gpu.read(buffer))?)
    }

    /// The wrapping sum of a buffer's words.
    pub fn sum(&self, buffer: &Buffer) -> Result<u32, Failure> {
        Ok(self.read(buffer)?.into_iter().fold(0, u32::wrapping_add))
    }

    /// Runs once, untimed, and waits.
    pub fn run(&self, work: &Work) -> Result<(), Failure> {
        self.span(1, |pass, _| work.record(pass)).map(drop)
    }

    /// By both clocks.
    pub fn span(
        &self,
        passes: u32,
        record: impl Fn(&mut ComputePass<'_>, u32),
    ) -> Result<Span, Failure> {
        self.clock.span(&self.gpu, passes, record)
    }

    /// By the clock that is believed.
    pub fn seconds(
        &self,
        passes: u32,
        record: impl Fn(&mut ComputePass<'_>, u32),
    ) -> Result<f64, Failure> {
        let span = self.span(passes, record)?;
        Ok(span.gpu.filter(|_| self.believed.get()).unwrap_or(span.host))
    }

    /// The time of one of many dispatches in a row, without what surrounds them: so many and twice as many
    /// are timed, and the medians' difference counts.
    pub fn time(&self, work: &Work) -> Result<Timed, Failure> {
        let mut ran = 0;
        let mut take = |repetitions: u32| {
            ran += u64::from(repetitions);
            self.seconds(1, |pass, _| (0..repetitions).for_each(|_| work.record(pass)))
        };
        take(1)?;
        let long = LONG[usize::from(!self.believed.get())];
        let mut repetitions = 1;
        let mut first = take(1)?;
        while first < long && repetitions < MOST_REPETITIONS {
            // Never more than eight times as many: the first ones may have waited for the clock to rise.
            let wanted = (long / first.max(1e-9)).ceil().clamp(2.0, 8.0) as u32;
            repetitions = (repetitions * wanted).min(MOST_REPETITIONS);
            first = take(repetitions)?;
        }
        if first > VERY_LONG {
            return Ok(Timed { seconds: first / f64::from(repetitions), ran });
        }
        let rounds = self.sized(5, 3);
        let mut once = Vec::new();
        let mut twice = Vec::new();
        for _ in 0..rounds {
            once.push(take(repetitions)?);
            twice.push(take(2 * repetitions)?);
        }
        let (once, twice) = (median(once), median(twice));
        let difference = twice - once;
        let seconds = if difference > 0.2 * twice { difference } else { twice / 2.0 };
        Ok(Timed { seconds: seconds / f64::from(repetitions), ran })
    }
}

/// The middle one, or of an even number the upper of the two.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
