//! Steps of the benchmark's cases: the time of each stage, beside what the model said.

use crate::constants::Constants;
use crate::finding::Failure;
use crate::lab::{Lab, median};
use crate::model::{Sizes, Sorted, Stage, predict};
use serde::Serialize;
use sparse_adam::{Form, TIMED_STAGES, Tuning};
use sparse_adam_testkit::bench::{Bench, Case, GpuClock, STAGES, Stepped, check, is_exact};
use std::time::Instant;

/// Steps that are timed.
const STEPS: usize = 5;
/// Cases of so many values of all gradients are checked against the CPU twin too: others take it seconds.
const CHECKED: u32 = 1 << 20;

/// One case.
#[derive(Serialize)]
pub struct Step {
    pub case: String,
    pub sizes: Sizes,
    pub dispatches: u32,
    /// Until its pipelines are made.
    pub prepare_ms: f64,
    /// From the start of recording to the GPU's completion, and recording alone.
    pub step_us: f64,
    pub record_us: f64,
    /// Of a step of several that are not waited for.
    pub queued_us: f64,
    /// Of a step of several in one submission.
    pub batched_us: f64,
    /// What it must move at least, at the bandwidth of a copy, and its dispatches at what one takes.
    pub floor_us: Option<f64>,
    pub dispatches_us: Option<f64>,
    pub stages: Vec<StageTime>,
    /// How it was compared with the CPU twin, if it was.
    pub checked: Option<&'static str>,
}

/// A stage: what it took by the GPU's clock, where that is believed, and what the model said of the parallel form.
#[derive(Serialize)]
pub struct StageTime {
    pub stage: &'static str,
    pub measured_us: Option<f64>,
    pub predicted: Option<Stage>,
    /// The largest part of the prediction.
    pub bound: Option<&'static str>,
}

/// Runs a case.
pub fn run(lab: &Lab, case: &Case, constants: Option<&Constants>) -> Result<Step, Failure> {
    let tuning = Tuning::for_adapter(&lab.gpu.info);
    let mut bench = Bench::new(&lab.gpu, tuning, case)?;
    let (sizes, floor_bytes) = sizes(case, &bench);
    let start = Instant::now();
    bench.step()?;
    let prepare_ms = 1e3 * start.elapsed().as_secs_f64();
    let checked = match case.nnz * case.dim <= CHECKED {
        true => Some(checked(lab, tuning, case)?),
        false => None,
    };
    bench.warm_up()?;
    let steps = (0..STEPS).map(|_| bench.step()).collect::<Result<Vec<_>, _>>()?;
    let middle = |of: &dyn Fn(&_) -> f64| 1e6 * median(steps.iter().map(of).collect());
    let queued = bench.queued_steps(STEPS as u32)?;
    let measured = if lab.clock_name() == "gpu" { stages_us(&mut bench)? } else { None };
    let predicted = constants.filter(|_| tuning.form == Form::Parallel);
    let predicted = predicted.map(|constants| predict(&sizes, Sorted::default(), constants));
    let stage = |number: usize| StageTime {
        stage: TIMED_STAGES[number],
        measured_us: measured.map(|all| all[number]),
        predicted: predicted.map(|all| all[number]),
        bound: predicted.map(|all| all[number]).filter(|of| of.us > 0.0).map(|of| of.parts.bound()),
    };
    let dispatches = bench.optimizer.dispatches();
    Ok(Step {
        case: case.name.clone(),
        sizes,
        dispatches,
        prepare_ms,
        step_us: middle(&|step: &Stepped| step.whole.as_secs_f64()),
        record_us: middle(&|step: &Stepped| step.record.as_secs_f64()),
        batched_us: 1e6 * bench.batched_step(STEPS as u32)?.as_secs_f64(),
        queued_us: 1e6 * queued.as_secs_f64() / STEPS as f64,
        floor_us: constants.map(|constants| constants.streamed(floor_bytes)),
        dispatches_us: constants.map(|constants| f64::from(dispatches) * constants.dispatch),
        stages: (0..STAGES).map(stage).collect(),
        checked,
    })
}

/// Steps the same case once more, from its beginning, and compares every value.
fn checked(lab: &Lab, tuning: Tuning, case: &Case) -> Result<&'static str, Failure> {
    let mut bench = Bench::new(&lab.gpu, tuning, case)?;
    check(&mut bench, case)?;
    Ok(if is_exact(&bench) { "bit-equal" } else { "within 2e-6 and 1e-6" })
}

/// None where the clock stands still.
fn stages_us(bench: &mut Bench<'_>) -> Result<Option<[f64; STAGES]>, Failure> {
    let Some(clock) = GpuClock::new(bench.gpu) else {
        return Ok(None);
    };
    let step = |_| clock.time_ms(|encoder, stamps| bench.record_timed(encoder, stamps));
    let steps = (0..STEPS).map(step).collect::<Result<Vec<_>, _>>()?;
    let stage = |stage: usize| 1e3 * median(steps.iter().map(|step| step[stage]).collect());
    let medians: [f64; STAGES] = std::array::from_fn(stage);
    Ok((medians.iter().sum::<f64>() > 0.0).then_some(medians))
}

/// Tables whose entries, and whose updates, one dispatch takes, by what of each has a binding of its own.
fn at_once(case: &Case, bench: &Bench<'_>) -> [u32; 2] {
    const MOST: u32 = 32;
    let buffers = bench.gpu.device.limits().max_storage_buffers_per_shader_stage.min(13);
    match case.pooled {
        true => [MOST; 2],
        false => {
            [buffers.saturating_sub(2), (buffers - 1) / 3].map(|at_once| at_once.clamp(1, MOST))
        }
    }
}

/// What the model asks, and the bytes that the step must move at least: indices and values once, each named row's
/// parameter and moments read and written.
fn sizes(case: &Case, bench: &Bench<'_>) -> (Sizes, f64) {
    let (mut unique, mut in_long_runs, mut hottest) = (0, 0, 0);
    for table in &bench.tables {
        let mut ids = table.ids.clone();
        ids.sort_unstable();
        for run in ids.chunk_by(|a, b| a == b).map(<[u32]>::len) {
            unique += 1;
            in_long_runs += if run >= 64 { run } else { 0 };
            hottest = hottest.max(run);
        }
    }
    let mean = |count: usize| count as f64 / f64::from(case.tables);
    let (dim, nnz) = (f64::from(case.dim), f64::from(case.nnz));
    let floor_bytes = nnz * (4.0 + 4.0 * dim / f64::from(case.bag)) + unique as f64 * 24.0 * dim;
    let sizes = Sizes {
        rows: case.rows,
        dim: case.dim,
        nnz: nnz / f64::from(case.tables),
        unique: mean(unique),
        in_long_runs: mean(in_long_runs),
        hottest: hottest as f64,
        tables: case.tables,
        at_once: at_once(case, bench),
        promised: case.promise,
    };
    (sizes, floor_bytes)
}
