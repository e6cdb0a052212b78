//! For tests: every adapter, opened once, in every variant.

use crate::Rng;
use crate::campaign::fresh_seed;
use crate::conformance::Finding;
use crate::headless::Gpu;
use pollster::block_on;
use sparse_adam::{Arithmetic, Tuning};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Every adapter present, opened once. Their names go to stderr.
///
/// # Panics
/// Where there is none.
pub fn gpus() -> &'static [Gpu] {
    static GPUS: OnceLock<Vec<Gpu>> = OnceLock::new();
    GPUS.get_or_init(|| {
        let gpus = block_on(Gpu::open_all()).expect("the tests need an adapter");
        gpus.iter().for_each(|gpu| eprintln!("adapter: {}", gpu.describe()));
        gpus
    })
}

/// Every adapter in both forms, each with an arithmetic that has the twin's bits there, if there is one: the
/// serial form with the adapter's own operations, where they will do, the parallel one with
/// [`Arithmetic::Exact`]. In one form per call, by turns, where `SPARSE_ADAM_FORMS=turns` asks for it, and through GL, whose
/// kernels take longest to compile and which takes one test at a time; which form comes first is another each run.
///
/// # Panics
/// Where there is no adapter.
pub fn variants() -> Vec<(&'static Gpu, Tuning)> {
    let both = |gpu: &'static Gpu| {
        let serial = match gpu.has_bits_of_twin(&Tuning::CPU) {
            true => Tuning::CPU,
            false => with(Arithmetic::Exact, Tuning::CPU),
        };
        [(gpu, serial), (gpu, Tuning::GPU)]
    };
    let by_turns = std::env::var("SPARSE_ADAM_FORMS").is_ok_and(|forms| forms == "turns");
    let admitted = |gpu: &'static Gpu| match gpu.info.backend {
        wgpu::Backend::Gl => both(gpu)[turn()..][..1].to_vec(),
        _ if by_turns => both(gpu)[turn()..][..1].to_vec(),
        _ => both(gpu).to_vec(),
    };
    gpus().iter().flat_map(admitted).collect()
}

/// 0 and 1 by turns.
fn turn() -> usize {
    static TURN: OnceLock<AtomicUsize> = OnceLock::new();
    let turn = TURN.get_or_init(|| AtomicUsize::new(fresh_seed() as usize));
    turn.fetch_add(1, Ordering::Relaxed) % 2
}

/// Every adapter in both forms with the arithmetics that [`variants`] leaves out.
///
/// # Panics
/// Where there is no adapter.
pub fn other_variants() -> Vec<(&'static Gpu, Tuning)> {
    let other = |(gpu, tuning): (&'static Gpu, Tuning)| {
        let arithmetic = match tuning.arithmetic {
            Arithmetic::Fast => Arithmetic::Exact,
            _ => Arithmetic::Fast,
        };
        (gpu, with(arithmetic, tuning))
    };
    variants().into_iter().map(other).collect()
}

/// Every adapter in one of its [`variants`] or [`other_variants`], drawn: for tests that draw rules too, as each
/// rule takes kernels of its own.
///
/// # Panics
/// Where there is no adapter.
pub fn drawn_variants(rng: &mut Rng) -> Vec<(&'static Gpu, Tuning)> {
    let all: Vec<_> = variants().into_iter().chain(other_variants()).collect();
    let of = |gpu: &'static Gpu| {
        let own: Vec<_> = all.iter().filter(|on| std::ptr::eq(on.0, gpu)).collect();
        *own[rng.below(own.len())]
    };
    gpus().iter().map(of).collect()
}

fn with(arithmetic: Arithmetic, mut tuning: Tuning) -> Tuning {
    tuning.arithmetic = arithmetic;
    tuning
}

/// Compares a tensor with what was expected of the tuning: the bits where the adapter
/// [has them](Gpu::has_bits_of_twin), else within [`bound`](crate::conformance::bound).
///
/// # Panics
/// Where they are further apart, with `what` and the first element that is.
pub fn assert_tensor((gpu, tuning): (&Gpu, Tuning), what: &str, found: &[f32], expected: &[f32]) {
    let mut finding = Finding::default();
    finding.tensor(gpu.has_bits_of_twin(&tuning), "tensor".into(), found, expected);
    assert_finding(&finding, gpu, what);
}

/// Panics with what is wrong, and where.
pub(crate) fn assert_finding(finding: &Finding, gpu: &Gpu, what: &str) {
    if let Err(wrong) = finding.verdict() {
        panic!("{what}, {}: {wrong}", gpu.describe());
    }
}
