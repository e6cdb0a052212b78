//! Candidates side by side: their times, and who has won. Pure.

use super::clock::median;
use super::tuned::{Bits, Evidence};
use super::workload::Workload;
use crate::Tuning;

/// How often each is timed.
pub const ROUNDS: usize = 5;
/// Who is so many times behind the best after one round is timed no more.
const BEHIND: f64 = 1.3;
/// Who wins takes at most so much of the other's time over all workloads, and on none more than so much.
const WON: f64 = 0.97;
const WORSE: f64 = 1.03;

/// Who takes part.
#[derive(Clone, Debug)]
pub struct Runner {
    /// The value of the field.
    pub name: String,
    pub tuning: Tuning,
    /// How they compare with the default's, workload by workload; None where that is not known yet.
    pub bits: Vec<Option<Bits>>,
    /// Whether it is timed on.
    pub runs: bool,
    /// Seconds of a step, workload by workload.
    pub samples: Vec<Vec<f64>>,
}

impl Runner {
    pub fn new(name: String, tuning: Tuning, workloads: usize) -> Self {
        let (bits, samples) = (vec![None; workloads], vec![Vec::new(); workloads]);
        Self { name, tuning, bits, runs: true, samples }
    }

    /// Its time over that of another: the geometric mean over the workloads, and the largest. None where one of
    /// them was not timed.
    fn against(&self, other: &Self) -> Option<(f64, f64)> {
        let pairs = self.samples.iter().zip(&other.samples);
        let ratio = |(own, others): (&Vec<f64>, &Vec<f64>)| Some(median(own)? / median(others)?);
        let ratios = pairs.map(ratio).collect::<Option<Vec<_>>>()?;
        let mean = ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / ratios.len() as f64;
        Some((mean.exp(), ratios.into_iter().fold(0.0, f64::max)))
    }

    /// Its time over that of another, if it wins against it.
    pub fn wins_against(&self, other: &Self) -> Option<f64> {
        let (mean, most) = self.against(other).filter(|_| self.runs)?;
        (mean <= WON && most <= WORSE).then_some(mean)
    }
}

/// Stops those from number `from` on that are far behind the best of all.
pub fn stop_those_behind(runners: &mut [Runner], from: usize) {
    let Some(first) = runners.first().cloned() else {
        return;
    };
    let times: Vec<_> = runners
        .iter()
        .map(|runner| Some(runner.against(&first)?.0).filter(|_| runner.runs))
        .collect();
    let best = times.iter().flatten().copied().fold(f64::INFINITY, f64::min);
    for (runner, time) in runners.iter_mut().zip(times).skip(from) {
        runner.runs &= time.is_some_and(|time| time <= BEHIND * best);
    }
}

/// The tuning of the best of those from number `from` on that win against `other`.
pub fn winner(runners: &[Runner], from: usize, other: &Runner) -> Option<Tuning> {
    let won = runners.iter().skip(from);
    let won = won.filter_map(|runner| Some((runner.wins_against(other)?, runner.tuning)));
    won.min_by(|one, other| one.0.total_cmp(&other.0)).map(|(_, tuning)| tuning)
}

/// What was measured of those from number `from` on; the first of all is the default.
pub fn evidence(
    field: &str,
    runners: &[Runner],
    from: usize,
    workloads: &[&Workload],
) -> Vec<Evidence> {
    let us = |samples: &Vec<f64>| median(samples).map(|seconds| 1e6 * seconds);
    let of_runner = |runner: &Runner| {
        let of_workload = |(number, workload): (usize, &&Workload)| {
            Some(Evidence {
                field: field.into(),
                candidate: runner.name.clone(),
                workload: workload.to_string(),
                us: us(&runner.samples[number]),
                default_us: us(&runners[0].samples[number]),
                bits: runner.bits[number]?,
            })
        };
        workloads.iter().enumerate().filter_map(of_workload).collect::<Vec<_>>()
    };
    runners.iter().skip(from).flat_map(of_runner).collect()
}
