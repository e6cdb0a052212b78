//! One case: checked, then timed.

use crate::dump::dump;
use indicatif::ProgressBar;
use sparse_adam::Tuning;
use sparse_adam_testkit::bench::{Bench, Case, Expected, GpuClock, STAGES, check, is_exact};
use sparse_adam_testkit::headless::Gpu;
use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

/// Timed steps where nothing else is asked for: `STEPS`, but after `PATIENCE` at least `LEAST`.
const STEPS: u32 = 15;
const LEAST: u32 = 5;
const PATIENCE: Duration = Duration::from_secs(4);
/// Steps of one submission, and twice as many: of steps as short as a submission, and of longer ones.
const BATCHES: [u32; 2] = [10, 1];
const SHORT: Duration = Duration::from_millis(5);
/// Steps of the GPU's clock.
const CLOCKED: u32 = 5;

/// How a case is run.
pub struct Plan<'a> {
    /// Timed steps.
    pub steps: Option<u32>,
    /// Folder for ids and results.
    pub dump: Option<&'a Path>,
    pub bar: &'a ProgressBar,
}

/// What was measured.
pub struct Measured {
    /// Rows named, over all tables.
    pub unique: u64,
    pub steps: usize,
    pub step_ms_median: f64,
    pub step_ms_min: f64,
    /// A step among others, none of which is waited for.
    pub queued_ms: f64,
    /// A step among others of one submission, which is not counted.
    pub batched_ms: f64,
    pub record_us_median: f64,
    /// By the GPU's timestamps, of each stage.
    pub stages_ms_median: Option<[f64; STAGES]>,
    pub record_allocations: u64,
    pub dispatches: u32,
    pub exact: bool,
}

pub fn run(
    gpu: &Gpu,
    tuning: Tuning,
    case: &Case,
    plan: Plan<'_>,
) -> Result<Measured, Box<dyn Error>> {
    plan.bar.set_message("uploading");
    let mut bench = Bench::new(gpu, tuning, case)?;
    plan.bar.set_message("checking against the CPU twin");
    let checked = check(&mut bench, case)?;
    if let Some(folder) = plan.dump {
        dump(folder, case, &bench, &checked)?;
    }
    plan.bar.set_message("timing");
    let times = time(&mut bench, plan.steps)?;
    let queued = bench.queued_steps(times.whole_ms.len() as u32)?;
    let whole_ms = median(times.whole_ms.clone());
    Ok(Measured {
        unique: checked.iter().map(|Expected { rows, .. }| rows.len() as u64).sum(),
        steps: times.whole_ms.len(),
        step_ms_min: times.whole_ms.iter().copied().fold(f64::INFINITY, f64::min),
        queued_ms: millis(queued) / times.whole_ms.len() as f64,
        batched_ms: millis(bench.batched_step(BATCHES[usize::from(whole_ms > millis(SHORT))])?),
        record_us_median: 1e3 * median(times.record_ms),
        step_ms_median: whole_ms,
        stages_ms_median: stages_ms(&mut bench)?,
        record_allocations: record_allocations(&mut bench)?,
        dispatches: bench.optimizer.dispatches(),
        exact: is_exact(&bench),
    })
}

struct Times {
    whole_ms: Vec<f64>,
    record_ms: Vec<f64>,
}

fn time(bench: &mut Bench<'_>, steps: Option<u32>) -> Result<Times, Box<dyn Error>> {
    // The check read everything back.
    bench.warm_up()?;
    let mut times = Times { whole_ms: Vec::new(), record_ms: Vec::new() };
    let start = Instant::now();
    for step in 0..steps.unwrap_or(STEPS) {
        if steps.is_none() && step >= LEAST && start.elapsed() > PATIENCE {
            break;
        }
        let stepped = bench.step()?;
        times.whole_ms.push(millis(stepped.whole));
        times.record_ms.push(millis(stepped.record));
    }
    Ok(times)
}

/// Heap allocations while a step like those before is recorded, wgpu's included.
fn record_allocations(bench: &mut Bench<'_>) -> Result<u64, Box<dyn Error>> {
    let recorded = bench.gpu.submit(|encoder| {
        let mut recorded = Ok(());
        let counted = allocation_counter::measure(|| recorded = bench.record(encoder));
        recorded.map(|()| counted.count_total)
    })?;
    bench.gpu.wait()?;
    Ok(recorded)
}

/// None where the adapter has no clock, or one that stands still.
fn stages_ms(bench: &mut Bench<'_>) -> Result<Option<[f64; STAGES]>, Box<dyn Error>> {
    let Some(clock) = GpuClock::new(bench.gpu) else {
        return Ok(None);
    };
    let step = |_| clock.time_ms(|encoder, stamps| bench.record_timed(encoder, stamps));
    let steps: Vec<_> = (0..CLOCKED).map(step).collect::<Result<_, _>>()?;
    let stage = |stage| median(steps.iter().map(|step| step[stage]).collect());
    let medians: [f64; STAGES] = std::array::from_fn(stage);
    Ok((medians.iter().sum::<f64>() > 0.0).then_some(medians))
}

fn millis(duration: Duration) -> f64 {
    1e3 * duration.as_secs_f64()
}

/// The middle of an odd number of values; of an even one, the mean of the two middle ones.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}
