//! For tests: every adapter, opened once, in every variant.

use crate::Rng;
use crate::campaign::fresh_seed;
use crate::conformance::Finding;
use crate::headless::Gpu;
use pollster::block_on;
use sparse_adam::{Arithmetic, Tuning};
use std::panic::Location;
use std::sync::OnceLock;

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
/// [`Arithmetic::Exact`].
///
/// Where `SPARSE_ADAM_FORMS` is a number, each line that asks is given one form, and the next number gives it the other;
/// so too through GL, whose kernels take longest to compile and which takes one test at a time.
///
/// # Panics
/// Where there is no adapter, or `SPARSE_ADAM_FORMS` is no number.
#[track_caller]
pub fn variants() -> Vec<(&'static Gpu, Tuning)> {
    let both = |gpu: &'static Gpu| {
        let serial = match gpu.has_bits_of_twin(&Tuning::CPU) {
            true => Tuning::CPU,
            false => with(Arithmetic::Exact, Tuning::CPU),
        };
        [(gpu, serial), (gpu, Tuning::GPU)]
    };
    let given = std::env::var("SPARSE_ADAM_FORMS").ok();
    let given = given.map(|forms| forms.parse::<u64>().expect("SPARSE_ADAM_FORMS is a number"));
    let line = u64::from(Location::caller().line());
    let admitted = |gpu: &'static Gpu| match given {
        None if gpu.info.backend != wgpu::Backend::Gl => both(gpu).to_vec(),
        _ => {
            let turn = given.unwrap_or_else(fresh_seed).wrapping_add(line) % 2;
            vec![both(gpu)[turn as usize]]
        }
    };
    gpus().iter().flat_map(admitted).collect()
}

/// Every adapter in both forms with the arithmetics that [`variants`] leaves out.
///
/// # Panics
/// As [`variants`].
#[track_caller]
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
/// As [`variants`].
#[track_caller]
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
