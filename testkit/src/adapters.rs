//! For tests: every adapter, opened once, in every variant.

use crate::conformance::Finding;
use crate::headless::Gpu;
use pollster::block_on;
use sparse_adam::Tuning;
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

/// Every adapter with its own tuning, and with that of the other kind.
///
/// # Panics
/// Where there is no adapter.
pub fn variants() -> Vec<(&'static Gpu, Tuning)> {
    let both = |gpu| [(gpu, Tuning::CPU), (gpu, Tuning::GPU)];
    gpus().iter().flat_map(both).collect()
}

/// Compares a tensor with what was expected: the bits where the adapter is
/// [exact](crate::conformance::is_exact), else within [`bound`](crate::conformance::bound).
///
/// # Panics
/// Where they are further apart, with `what` and the first element that is.
pub fn assert_tensor(gpu: &Gpu, what: &str, found: &[f32], expected: &[f32]) {
    let mut finding = Finding::default();
    finding.tensor(&gpu.info, "tensor".into(), found, expected);
    assert_finding(&finding, gpu, what);
}

/// Panics with what is wrong, and where.
pub(crate) fn assert_finding(finding: &Finding, gpu: &Gpu, what: &str) {
    if let Err(wrong) = finding.verdict() {
        panic!("{what}, {}: {wrong}", gpu.describe());
    }
}
