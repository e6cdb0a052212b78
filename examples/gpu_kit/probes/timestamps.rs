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

/// What else the machine does may take time of one and not of the other.
const TRIES: u32 = 3;
const ROUNDS: u32 = 9;

/// Seconds of some work, and of twice as much: the least of each.
struct Times {
    host: [f64; 2],
    /// Infinite where there is no clock.
    gpu: [f64; 2],
}

impl Times {
    fn are_believable(&self) -> bool {
        let Self { host, gpu } = self;
        let apart = (host[1] - host[0]) / (gpu[1] - gpu[0]);
        gpu[0] > 0.0 && TWICE.contains(&(gpu[1] / gpu[0])) && (1.0 / APART..=APART).contains(&apart)
    }
}

fn measure(
    take: &impl Fn(u32) -> Result<Span, Failure>,
    repetitions: u32,
) -> Result<Times, Failure> {
    let mut times = Times { host: [f64::INFINITY; 2], gpu: [f64::INFINITY; 2] };
    for _ in 0..ROUNDS {
        for (number, many) in [repetitions, 2 * repetitions].into_iter().enumerate() {
            let span = take(many)?;
            times.host[number] = times.host[number].min(span.host);
            times.gpu[number] = times.gpu[number].min(span.gpu.unwrap_or(f64::INFINITY));
        }
    }
    Ok(times)
}

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
    let mut times = measure(&take, repetitions)?;
    for _ in 1..TRIES {
        if !times.are_believable() {
            times = measure(&take, repetitions)?;
        }
    }
    let Times { host, gpu } = times;
    found.add("host_once", 1e6 * host[0]);
    found.add("host_twice", 1e6 * host[1]);
    found.check("checksum", lab.sum(&result.buffer)?, result.sum);
    let empty = (0..9).map(|_| Ok(lab.span(1, |_, _| ())?.gpu.unwrap_or(f64::NAN)));
    let empty = empty.collect::<Result<Vec<_>, Failure>>()?;
    found.add("gpu_once", 1e6 * gpu[0]);
    found.add("gpu_twice", 1e6 * gpu[1]);
    found.add("empty_pass", 1e6 * median(empty));
    found.add("tick", f64::from(lab.gpu.queue.get_timestamp_period()) / 1e3);
    let believed = times.are_believable();
    found.add("believed", f64::from(u8::from(believed)));
    lab.believe(believed);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_stands_still_runs_apart_or_is_not_there_is_not_believed() {
        let believed = |gpu| Times { host: [4.1e-3, 8.1e-3], gpu }.are_believable();
        assert!(believed([4e-3, 8e-3]));
        assert!(!believed([0.0, 0.0]));
        assert!(!believed([4e-3, 4e-3]));
        assert!(!believed([4e-4, 8e-4]));
        assert!(!believed([8e-3, 4e-3]));
        assert!(!believed([f64::INFINITY; 2]));
    }
}
