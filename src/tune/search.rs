//! The search: one field after another, each candidate against the default and what was chosen so far. It knows no
//! GPU, only a bench.

use super::field::Field;
use super::race::{self, ROUNDS, Runner};
use super::tuned::{Bits, Evidence};
use super::workload::Workload;
use crate::{Error, Tuning};
use std::time::Duration;

/// What measures a tuning on a workload.
pub trait Bench {
    /// Whether the device can do all that a field offers.
    fn can(&self, field: Field) -> bool;
    /// How long it has been since the search was asked for.
    fn spent(&self) -> Duration;
    /// Makes what a tuning needs, and tells the bits of a few steps.
    async fn bits(&mut self, tuning: &Tuning, workload: usize) -> Result<u64, Error>;
    /// Seconds of a step.
    async fn seconds(&mut self, tuning: &Tuning, workload: usize) -> Result<f64, Error>;
    /// Lets go of what was made for tunings other than this one.
    fn keep(&mut self, tuning: &Tuning);
}

/// What was found.
#[derive(Debug)]
pub struct Found {
    pub tuning: Tuning,
    pub evidence: Vec<Evidence>,
}

/// How long something has taken each time.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    longest: Duration,
    total: Duration,
    times: u32,
}

impl Cost {
    fn add(&mut self, took: Duration) {
        self.longest = self.longest.max(took);
        self.total += took;
        self.times += 1;
    }

    /// Zero of what was never done.
    fn mean(self) -> Duration {
        self.total / self.times.max(1)
    }
}

pub struct Search<'a, B> {
    bench: &'a mut B,
    default: Tuning,
    workloads: &'a [Workload],
    budget: Duration,
    /// Of the default, workload by workload.
    bits: Vec<u64>,
    /// What it takes to time something, workload by workload, and to make it and tell its bits.
    timing: Vec<Cost>,
    making: Cost,
    /// What has won against the default over all workloads, if only in the race that it was found in.
    proven: Tuning,
    evidence: Vec<Evidence>,
}

impl<'a, B: Bench> Search<'a, B> {
    pub fn new(
        bench: &'a mut B,
        default: Tuning,
        workloads: &'a [Workload],
        budget: Duration,
    ) -> Self {
        Self {
            bench,
            default,
            workloads,
            budget,
            bits: Vec::new(),
            timing: Vec::new(),
            making: Cost::default(),
            proven: default,
            evidence: Vec::new(),
        }
    }

    /// Searches until nothing changes or the time is over.
    ///
    /// # Errors
    /// Those of the bench, but for candidates that it refuses.
    pub async fn run(mut self) -> Result<Found, Error> {
        let mut chosen = self.default;
        if self.measure_default().await? {
            chosen = self.descend().await?;
            if chosen != self.default {
                chosen = match self.is_confirmed(chosen).await? {
                    Some(true) => chosen,
                    Some(false) => self.default,
                    None => self.proven,
                };
            }
        }
        Ok(Found { tuning: chosen, evidence: self.evidence })
    }

    /// Finds out the default's bits, and how long it takes to time something. False where there is no time.
    async fn measure_default(&mut self) -> Result<bool, Error> {
        for workload in 0..self.workloads.len() {
            let begun = self.bench.spent();
            if begun + self.making.longest >= self.budget {
                return Ok(false);
            }
            self.bits.push(self.bench.bits(&self.default, workload).await?);
            self.making.add(self.bench.spent().saturating_sub(begun));
            let mut timing = Cost::default();
            // The first time is longer than the others: the bench looks at its clock and at the workload.
            for counts in [false, true] {
                let begun = self.bench.spent();
                if begun >= self.budget {
                    return Ok(false);
                }
                self.bench.seconds(&self.default, workload).await?;
                if counts {
                    timing.add(self.bench.spent().saturating_sub(begun));
                }
            }
            self.timing.push(timing);
        }
        Ok(!self.workloads.is_empty())
    }

    /// Field after field, over and over, until none changes.
    async fn descend(&mut self) -> Result<Tuning, Error> {
        let mut chosen = self.default;
        loop {
            let before = chosen;
            let fields = Field::of(self.default.form).iter();
            for field in fields.copied().filter(|&field| self.bench.can(field)).collect::<Vec<_>>()
            {
                if let Some(won) = self.race(field, chosen).await? {
                    chosen = won;
                }
            }
            if chosen == before {
                return Ok(chosen);
            }
        }
    }

    /// The winner among a field's values; None where what was chosen stays, or the time is over.
    async fn race(&mut self, field: Field, chosen: Tuning) -> Result<Option<Tuning>, Error> {
        let concerned = |at: &usize| field.concerns(&self.workloads[*at], &chosen);
        let at: Vec<usize> = (0..self.workloads.len()).filter(concerned).collect();
        if at.is_empty() {
            return Ok(None);
        }
        self.bench.keep(&self.default);
        let runner = |name, tuning| Runner::new(name, tuning, at.len());
        let mut runners = vec![runner("default".to_string(), self.default)];
        if chosen != self.default {
            runners.push(runner("chosen".to_string(), chosen));
        }
        let first = runners.len();
        let tried = field.candidates(chosen).into_iter();
        let tried = tried.filter(|(_, tuning)| *tuning != self.default);
        runners.extend(tried.map(|(value, tuning)| runner(value.to_string(), tuning)));
        // Where nothing is chosen yet, there may be nothing to confirm.
        let reserve = if chosen == self.default { Duration::ZERO } else { self.reserve() };
        let in_time = self.compare(&mut runners, first, &at, reserve).await?
            && self.time(&mut runners, first, &at, reserve).await?;
        let workloads: Vec<_> = at.iter().map(|&at| &self.workloads[at]).collect();
        self.evidence.extend(race::evidence(field.name(), &runners, first, &workloads));
        if !in_time {
            return Ok(None);
        }
        if at.len() == self.workloads.len() {
            self.proven = race::winner(&runners, 1, &runners[0]).unwrap_or(self.proven);
        }
        Ok(race::winner(&runners, first, &runners[first - 1]))
    }

    /// Whether what was chosen wins against the default over all workloads; None where the time is over.
    async fn is_confirmed(&mut self, chosen: Tuning) -> Result<Option<bool>, Error> {
        let at: Vec<usize> = (0..self.workloads.len()).collect();
        let mut runners = [("default", self.default), ("chosen", chosen)]
            .map(|(name, tuning)| Runner::new(name.to_string(), tuning, at.len()));
        // What it was to be kept for is here: the time may be used up.
        let in_time = self.compare(&mut runners, 1, &at, Duration::ZERO).await?
            && self.rounds(&mut runners, &at, 0..ROUNDS, Duration::ZERO).await?;
        let workloads: Vec<_> = self.workloads.iter().collect();
        self.evidence.extend(race::evidence("all", &runners, 1, &workloads));
        Ok(in_time.then(|| runners[1].wins_against(&runners[0]).is_some()))
    }

    /// Stops those from number `from` on that have other bits than the default. False where the time is over.
    async fn compare(
        &mut self,
        runners: &mut [Runner],
        from: usize,
        at: &[usize],
        reserve: Duration,
    ) -> Result<bool, Error> {
        for runner in runners.iter_mut().skip(from) {
            for (number, &workload) in at.iter().enumerate() {
                let begun = self.bench.spent();
                if begun + self.making.longest + reserve > self.budget {
                    return Ok(false);
                }
                let bits = match self.bench.bits(&runner.tuning, workload).await {
                    Ok(bits) if bits == self.bits[workload] => Bits::Same,
                    Ok(_) => Bits::Different,
                    Err(error) => refused(error)?,
                };
                runner.bits[number] = Some(bits);
                self.making.add(self.bench.spent().saturating_sub(begun));
                if bits != Bits::Same {
                    runner.runs = false;
                    break;
                }
            }
        }
        Ok(true)
    }

    /// Times all that run, and after one round only those that may still win. False where the time is over.
    async fn time(
        &mut self,
        runners: &mut [Runner],
        first: usize,
        at: &[usize],
        reserve: Duration,
    ) -> Result<bool, Error> {
        if !self.rounds(runners, at, 0..1, reserve).await? {
            return Ok(false);
        }
        race::stop_those_behind(runners, first);
        if !runners.iter().skip(first).any(|runner| runner.runs) {
            return Ok(true);
        }
        self.rounds(runners, at, 1..ROUNDS, reserve).await
    }

    /// Some rounds, in each of which every runner has its turn on every workload. False where the time is over.
    async fn rounds(
        &mut self,
        runners: &mut [Runner],
        at: &[usize],
        rounds: std::ops::Range<usize>,
        reserve: Duration,
    ) -> Result<bool, Error> {
        for (number, &workload) in at.iter().enumerate() {
            for _ in rounds.clone() {
                for runner in runners.iter_mut().filter(|runner| runner.runs) {
                    let begun = self.bench.spent();
                    if begun + self.timing[workload].longest + reserve > self.budget {
                        return Ok(false);
                    }
                    let seconds = self.bench.seconds(&runner.tuning, workload).await?;
                    runner.samples[number].push(seconds);
                    let took = self.bench.spent().saturating_sub(begun);
                    self.timing[workload].add(took);
                }
            }
        }
        Ok(true)
    }

    /// What the last race, of two over all workloads, will take.
    fn reserve(&self) -> Duration {
        let round: Duration = self.timing.iter().map(|cost| cost.mean()).sum();
        round * 2 * ROUNDS as u32 + self.making.mean() * self.workloads.len() as u32
    }
}

/// Of a candidate.
///
/// # Errors
/// What is not its fault.
fn refused(error: Error) -> Result<Bits, Error> {
    match error {
        Error::Refused { .. } | Error::TooLarge { .. } | Error::Unsupported { .. } => {
            Ok(Bits::Refused)
        }
        other => Err(other),
    }
}

#[cfg(test)]
#[path = "search_tests.rs"]
mod tests;
