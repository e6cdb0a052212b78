//! Tests that go on at random for as long as they are told, each time with other inputs.

use crate::Rng;
use sparse_adam::{Arithmetic, Form, Tuning};
use std::sync::OnceLock;
use std::time::{Duration, Instant, UNIX_EPOCH};

/// Another seed each run, printed to stderr; `SPARSE_ADAM_SEED` repeats one.
///
/// # Panics
/// Where that variable is no number.
pub fn fresh_seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    *SEED.get_or_init(|| {
        let given = std::env::var("SPARSE_ADAM_SEED").ok();
        let now = || UNIX_EPOCH.elapsed().map_or(0, |now| now.as_nanos() as u64 % 1_000_000_007);
        let seed =
            given.map_or_else(now, |seed| seed.parse().expect("SPARSE_ADAM_SEED is a number"));
        eprintln!("SPARSE_ADAM_SEED={seed}");
        seed
    })
}

/// How long a campaign goes on: `SPARSE_ADAM_CAMPAIGN_SECONDS`, two where it is not set.
#[derive(Debug)]
pub struct Budget {
    until: Instant,
    /// The first seed.
    pub seed: u64,
}

impl Budget {
    /// All of it, from now on.
    ///
    /// # Panics
    /// Where one of the variables is no number.
    #[expect(clippy::new_without_default, reason = "it begins to run out")]
    pub fn new() -> Self {
        Self::shared(1)
    }

    /// One of so many equal parts.
    ///
    /// # Panics
    /// As [`Budget::new`].
    pub fn shared(parts: usize) -> Self {
        let given = std::env::var("SPARSE_ADAM_CAMPAIGN_SECONDS").ok();
        let seconds: f64 = given.map_or(2.0, |seconds| seconds.parse().expect("seconds"));
        let seconds = seconds / parts as f64;
        Self { until: Instant::now() + Duration::from_secs_f64(seconds), seed: fresh_seed() }
    }

    /// Whether there is time for more.
    pub fn is_left(&self) -> bool {
        Instant::now() < self.until
    }
}

/// A tuning that is valid, and nothing else.
pub fn random_tuning(rng: &mut Rng) -> Tuning {
    let mut tuning = if rng.below(2) == 0 { Tuning::CPU } else { Tuning::GPU };
    let serial = tuning.form == Form::Serial;
    tuning.workgroup = 8 << rng.below(6);
    tuning.digit_bits = 1 + rng.below(if serial { 12 } else { 8 }) as u32;
    tuning.max_lanes = if serial { 1 } else { (1 << rng.below(9)).min(tuning.workgroup) };
    tuning.ingest_strip = 1 + rng.below(1024) as u32;
    tuning.update_tile = 1 + rng.below(if serial { 4096 } else { 256 }) as u32;
    tuning.interleave = 1 + rng.below(9) as u32;
    tuning.sums_at_once = 1 + rng.below(8) as u32;
    tuning.small = 1 + rng.below(4096) as u32;
    tuning.bitonic = 1 + rng.below(1024) as u32;
    tuning.ballots = rng.below(2) == 0;
    tuning.reorder_from = [1, u32::MAX][rng.below(2)];
    tuning.count_ahead = rng.below(2) == 0;
    tuning.u64_rows = rng.below(2) == 0;
    tuning.arithmetic = [Arithmetic::Exact, Arithmetic::Fast][rng.below(2)];
    tuning
}
