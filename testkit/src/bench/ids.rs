//! Seeded ids: the same on every platform.

use crate::Rng;
use std::fmt::{Display, Formatter};
use std::str::FromStr;

const ZIPF_EXPONENT: f64 = 1.05;
/// Seed of the permutation that scatters zipf's ids: fixed, so that the frequent rows are the
/// same ones in every run.
const SCATTER_SEED: u64 = 0x5ca7;

/// Which rows the entries of a gradient name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// No row twice.
    Unique,
    /// Every row equally often.
    Uniform,
    /// Few rows often, most rows seldom: exponent 1.05.
    Zipf,
    /// One row.
    Hot,
    /// Each row named so many times.
    Repeated(u32),
}

impl Display for Distribution {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        let name = match self {
            Self::Unique => "unique",
            Self::Uniform => "uniform",
            Self::Zipf => "zipf",
            Self::Hot => "hot",
            Self::Repeated(times) => return write!(formatter, "repeated-{times}"),
        };
        formatter.write_str(name)
    }
}

impl Distribution {
    /// What [`Distribution::from_str`] knows.
    pub const NAMES: [&str; 4] = ["unique", "uniform", "zipf", "hot"];
}

impl FromStr for Distribution {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = [Self::Unique, Self::Uniform, Self::Zipf, Self::Hot];
        let named = known.into_iter().find(|one| one.to_string() == name);
        named.ok_or_else(|| format!("{name:?} is none of {}", Self::NAMES.join(", ")))
    }
}

/// The ids of table number `table`.
pub fn draw(distribution: Distribution, rows: u32, nnz: u32, seed: u64, table: u32) -> Vec<u32> {
    let mut random = Random::new(seed, u64::from(table));
    match distribution {
        Distribution::Unique => random.distinct(rows, nnz),
        Distribution::Uniform => (0..nnz).map(|_| random.below(rows)).collect(),
        Distribution::Zipf => zipf(&mut random, rows, nnz),
        Distribution::Hot => vec![rows / 2; nnz as usize],
        Distribution::Repeated(times) => repeated(&mut random, rows, nnz, times),
    }
}

/// Ranks by the inverse of their cumulative weights, then scattered over the rows.
fn zipf(random: &mut Random, rows: u32, nnz: u32) -> Vec<u32> {
    let mut total = 0.0;
    let weights: Vec<f64> = (1..=rows)
        .map(|rank| {
            total += f64::from(rank).powf(-ZIPF_EXPONENT);
            total
        })
        .collect();
    let scattered = Random::new(SCATTER_SEED, 0).distinct(rows, rows);
    let id = |_| {
        let drawn = random.0.fraction() * total;
        let rank = weights.partition_point(|&weight| weight <= drawn);
        scattered[rank.min(scattered.len() - 1)]
    };
    (0..nnz).map(id).collect()
}

fn repeated(random: &mut Random, rows: u32, nnz: u32, times: u32) -> Vec<u32> {
    let distinct = random.distinct(rows, nnz.div_ceil(times).min(rows));
    let mut ids: Vec<u32> =
        (0..nnz as usize).map(|entry| distinct[entry % distinct.len()]).collect();
    random.shuffle(&mut ids, nnz);
    ids
}

/// The generator of a case's tables.
struct Random(Rng);

impl Random {
    /// The generator of a seed and a stream.
    fn new(seed: u64, stream: u64) -> Self {
        Self(Rng::of_stream(seed, stream))
    }

    fn below(&mut self, bound: u32) -> u32 {
        self.0.evenly_below(bound)
    }

    /// Puts a random choice of `count` items, in random order, first.
    fn shuffle(&mut self, items: &mut [u32], count: u32) {
        let end = items.len() as u32;
        for place in 0..count.min(end) {
            items.swap(place as usize, (place + self.below(end - place)) as usize);
        }
    }

    /// `count` different ids below `rows`, in random order.
    fn distinct(&mut self, rows: u32, count: u32) -> Vec<u32> {
        let mut ids: Vec<u32> = (0..rows).collect();
        self.shuffle(&mut ids, count);
        ids.truncate(count as usize);
        ids
    }
}
