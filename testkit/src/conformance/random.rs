//! Seeded inputs: the same on every machine.

use sparse_adam::AdamOptions;
use sparse_adam::reference::Gradient;

/// SplitMix64 (Steele, Lea and Flood 2014).
pub(super) struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// Uniform in [-1, 1).
    pub fn signed(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    pub fn floats(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.signed()).collect()
    }

    /// The rows of a table in random order.
    pub fn permutation(&mut self, rows: usize) -> Vec<i64> {
        let mut order: Vec<i64> = (0..rows as i64).collect();
        for last in (1..rows).rev() {
            order.swap(last, self.below(last + 1));
        }
        order
    }

    /// `nnz` entries: a hot row, a few rows, and rows from anywhere; in no order.
    pub fn gradient(&mut self, (rows, dim): (usize, usize), nnz: usize) -> Gradient<f32> {
        let (hot, few) = (self.below(rows), rows.min(7));
        let mut index = || match self.below(4) {
            0 => hot as i64,
            1 => self.below(few) as i64,
            _ => self.below(rows) as i64,
        };
        let indices = (0..nnz).map(|_| index()).collect();
        Gradient { indices, values: self.floats(nnz * dim) }
    }

    pub fn options(&mut self) -> AdamOptions {
        AdamOptions {
            lr: 10f64.powf(f64::from(self.signed()) - 2.0),
            betas: (0.9 + 0.05 * f64::from(self.signed()), 0.99 + 0.009 * f64::from(self.signed())),
            eps: 1e-8,
            maximize: self.below(2) == 1,
        }
    }
}
