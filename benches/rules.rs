//! What each option costs: steps by a rule in turns with steps by the default one, in one run.
//!
//!     cargo bench --bench rules
//!
//! Medians of whole steps, from recording to the GPU's completion, on a table of 1,000,000 x 64 with 65,536 entries.

use sparse_adam::{
    AdamOptions, BiasCorrection, CatchUp, Clip, ClipGradNorm, Epsilon, Error, Param, ParamId,
    Reduction, Scalars, SecondMoment, SparseAdam, SparseGrad, WeightDecay,
};
use sparse_adam_testkit::headless::Gpu;
use std::time::{Duration, Instant};
use wgpu::CommandEncoderDescriptor;

const ROWS: u32 = 1_000_000;
const DIM: u32 = 64;
const ENTRIES: u32 = 65_536;
/// Timed steps of each rule, after those that build its kernels.
const STEPS: usize = 21;

/// A table, and the optimizer over it.
struct Stepped<'a> {
    gpu: &'a Gpu,
    optimizer: SparseAdam,
    param: ParamId,
    grad: SparseGrad,
}

impl<'a> Stepped<'a> {
    fn new(gpu: &'a Gpu, options: AdamOptions) -> Result<Self, Error> {
        let mut optimizer = SparseAdam::new(&gpu.device, &gpu.queue, options)?;
        let buffer = gpu.zeroed("table", 4 * u64::from(ROWS) * u64::from(DIM));
        let param = optimizer.add_param(Param::new("table", &buffer, [ROWS, DIM]))?;
        let id = |entry: u32| (u64::from(entry.wrapping_mul(0x9e37_79b1)) * u64::from(ROWS)) >> 32;
        let ids: Vec<u32> = (0..ENTRIES).map(|entry| id(entry) as u32).collect();
        let values = vec![0.5f32; (ENTRIES * DIM) as usize];
        let grad = SparseGrad::new(gpu.upload("ids", &ids), gpu.upload("values", &values), ENTRIES);
        let mut stepped = Self { gpu, optimizer, param, grad };
        stepped.step()?;
        stepped.step()?;
        Ok(stepped)
    }

    fn step(&mut self) -> Result<Duration, Error> {
        let start = Instant::now();
        let descriptor = CommandEncoderDescriptor { label: None };
        let mut encoder = self.gpu.device.create_command_encoder(&descriptor);
        self.optimizer.set_grad(self.param, self.grad.clone())?;
        self.optimizer.step(&mut encoder)?;
        self.gpu.queue.submit([encoder.finish()]);
        self.gpu.wait()?;
        Ok(start.elapsed())
    }
}

/// Rules, each one option away from the default or a peer's.
fn rules() -> Vec<(&'static str, AdamOptions)> {
    let base = AdamOptions::new();
    let decoupled = base.weight_decay(WeightDecay::Decoupled(0.01));
    vec![
        ("the default again", base),
        ("epsilon: corrected", base.epsilon(Epsilon::Corrected)),
        ("bias_correction: none", base.bias_correction(BiasCorrection::None)),
        ("bias_correction: row", base.bias_correction(BiasCorrection::Row)),
        ("weight_decay: L2", base.weight_decay(WeightDecay::L2(0.01))),
        ("weight_decay: decoupled", decoupled),
        ("amsgrad", base.amsgrad(true)),
        ("clip: entries", base.clip(Clip::Entries(0.25))),
        ("clip: value", base.clip(Clip::Value(0.25))),
        ("grad_scale", base.grad_scale(0.5)),
        ("second_moment: row", base.second_moment(SecondMoment::Row)),
        ("catch_up: decay", decoupled.catch_up(CatchUp::Decay)),
        ("catch_up: momentum", base.catch_up(CatchUp::Momentum)),
        ("duplicates: mean", base.duplicates(Reduction::Mean)),
        ("dgl", AdamOptions::dgl()),
    ]
}

fn main() -> Result<(), Error> {
    let gpu = pollster::block_on(Gpu::open())?;
    eprintln!("adapter: {}", gpu.describe());
    let mut default = Stepped::new(&gpu, AdamOptions::new())?;
    println!("{:28} {:>10} {:>12} {:>7}", "rule", "ms", "default, ms", "ratio");
    for (name, options) in rules() {
        compare(name, &mut default, Stepped::new(&gpu, options)?)?;
    }
    let mut scaled = Stepped::new(&gpu, AdamOptions::new())?;
    scaled.optimizer.set_scalars(Scalars::new())?;
    compare("set_scalars", &mut default, scaled)?;
    let mut clipped = Stepped::new(&gpu, AdamOptions::new())?;
    clipped.optimizer.set_clip_grad_norm(Some(ClipGradNorm::new(1.0)))?;
    compare("set_clip_grad_norm", &mut default, clipped)
}

/// Steps both in turns.
fn compare(name: &str, default: &mut Stepped<'_>, mut rule: Stepped<'_>) -> Result<(), Error> {
    rule.step()?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..STEPS {
        ours.push(default.step()?);
        theirs.push(rule.step()?);
    }
    let [base, found] = [ours, theirs].map(|mut times| {
        times.sort_unstable();
        1e3 * times[STEPS / 2].as_secs_f64()
    });
    println!("{name:28} {found:>10.2} {base:>12.2} {:>7.2}", found / base);
    Ok(())
}
