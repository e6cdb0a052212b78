//! P15: whether the GPU's clock can be believed. Decides which clock the other probes take.

use super::resident::issue;
use crate::clock::Span;
use crate::finding::{Failure, Finding};
use crate::lab::{Lab, median};
use std::time::{Duration, Instant};

/// Twice the work takes so many times as long, if the clock can be believed.
const TWICE: std::ops::RangeInclusive<f64> = 1.6..=2.4;
/// The GPU's time of the host's time of the same work, likewise: within so many times.
const APART: f64 = 2.0;
/// Work before that.
const WARM_UP: Duration = Duration::from_millis(200);
/// Work to be timed, in the host's seconds at least.
const LONG: f64 = 4e-3;

pub fn clocks(lab: &Lab) -> Result<Finding, Failure> {
    let mut found = Finding::new("P15", "the GPU's clock beside the host's", "us");
    let (work, result) = issue(lab, lab.sized(64, 4), 2048);
    let take =
        |repetitions: u32| lab.span(1, |pass, _| (0..repetitions).for_each(|_| work.record(pass)));
    // Clocks rise with work.
    let start = Instant::now();
    while start.elapsed() < WARM_UP {
        take(1)?;
    }
    let mut repetitions = 1;
    while take(repetitions)?.host < LONG && repetitions < 512 {
        repetitions *= 2;
    }
    let rounds = (0..5).map(|_| Ok([take(repetitions)?, take(2 * repetitions)?]));
    let rounds = rounds.collect::<Result<Vec<_>, Failure>>()?;
    let middle = |of: &dyn Fn(&[Span; 2]) -> f64| 1e6 * median(rounds.iter().map(of).collect());
    let host = [middle(&|round| round[0].host), middle(&|round| round[1].host)];
    found.add("host_once", host[0]);
    found.add("host_twice", host[1]);
    found.check("checksum", lab.sum(&result.buffer)?, result.sum);
    let gpu = [0, 1].map(|of| middle(&|round| round[of].gpu.unwrap_or(f64::NAN)));
    let empty = (0..9).map(|_| Ok(lab.span(1, |_, _| ())?.gpu.unwrap_or(f64::NAN)));
    let empty = empty.collect::<Result<Vec<_>, Failure>>()?;
    found.add("gpu_once", gpu[0]);
    found.add("gpu_twice", gpu[1]);
    found.add("empty_pass", 1e6 * median(empty));
    found.add("tick", f64::from(lab.gpu.queue.get_timestamp_period()) / 1e3);
    let believed = gpu[0] > 0.0
        && TWICE.contains(&(gpu[1] / gpu[0]))
        && ((host[1] - host[0]) / (gpu[1] - gpu[0])).log2().abs() <= APART.log2();
    found.add("believed", f64::from(u8::from(believed)));
    lab.believe(believed);
    Ok(found)
}
