//! What is timed: a table, and a seeded gradient of some distribution.

use crate::random::{Purpose, Random};
use serde::{Deserialize, Serialize};

/// Which rows a gradient names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Distribution {
    /// Each at most once.
    Unique,
    /// Any, with equal chance.
    Uniform,
    /// Few often and many rarely: exponent 1.05, scattered over the table.
    Zipf,
    /// One row only.
    Hot,
}

/// One case of the benchmark.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Case {
    /// Rows of the table.
    pub rows: u32,
    /// Values per row.
    pub dim: u32,
    /// Entries of the gradient.
    pub nnz: u32,
    /// Which rows they name.
    pub distribution: Distribution,
}

impl Case {
    /// The row that each entry names.
    pub fn indices(&self) -> Vec<u32> {
        let mut random = Random::new(1, Purpose::Evaluation);
        let mut draw = |_| random.below(self.rows);
        match self.distribution {
            Distribution::Uniform => (0..self.nnz).map(&mut draw).collect(),
            Distribution::Hot => vec![self.rows / 2; self.nnz as usize],
            Distribution::Unique => {
                let mut rows = self.scattered();
                rows.truncate(self.nnz as usize);
                rows
            }
            Distribution::Zipf => self.zipf(),
        }
    }

    /// All rows, in a fixed random order.
    fn scattered(&self) -> Vec<u32> {
        let mut rows: Vec<u32> = (0..self.rows).collect();
        Random::new(2, Purpose::Evaluation).shuffle(&mut rows);
        rows
    }

    fn zipf(&self) -> Vec<u32> {
        let mut total = 0.0;
        let cumulative: Vec<f64> = (1..=self.rows)
            .map(|rank| {
                total += f64::from(rank).powf(-1.05);
                total
            })
            .collect();
        let (rows, mut random) = (self.scattered(), Random::new(3, Purpose::Evaluation));
        let mut draw = |_| {
            let at = f64::from(random.below(u32::MAX)) / f64::from(u32::MAX) * total;
            let rank = cumulative.partition_point(|&sum| sum < at);
            rows[rank.min(rows.len() - 1)]
        };
        (0..self.nnz).map(&mut draw).collect()
    }
}

/// `count` values in [-1, 1), the same every time.
pub fn values(count: usize) -> Vec<f32> {
    let mut random = Random::new(4, Purpose::Evaluation);
    let value = |_| random.below(1 << 24) as f32 / (1 << 23) as f32 - 1.0;
    (0..count).map(value).collect()
}
