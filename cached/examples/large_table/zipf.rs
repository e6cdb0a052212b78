//! Zipf's law without a table: rejection-inversion (Hörmann and Derflinger 1996).

use sparse_adam_testkit::Rng;

/// Ranks `1..=rows`, each with a probability proportional to `rank^-exponent`.
pub struct Zipf {
    rows: f64,
    exponent: f64,
    low: f64,
    high: f64,
    sure: f64,
}

impl Zipf {
    /// The exponent is above 1.
    pub fn new(rows: u64, exponent: f64) -> Self {
        let mut made = Self { rows: rows as f64, exponent, low: 0.0, high: 0.0, sure: 0.0 };
        made.low = made.area(1.5) - 1.0;
        made.high = made.area(made.rows + 0.5);
        made.sure = 2.0 - made.inverse(made.area(2.5) - 2f64.powf(-exponent));
        made
    }

    /// The area under the density up to `x`, less a constant.
    fn area(&self, x: f64) -> f64 {
        x.powf(1.0 - self.exponent) / (1.0 - self.exponent)
    }

    fn inverse(&self, area: f64) -> f64 {
        (area * (1.0 - self.exponent)).powf(1.0 / (1.0 - self.exponent))
    }

    /// A row: ranks are scattered over the table by a fixed permutation.
    pub fn row(&self, rng: &mut Rng) -> u64 {
        loop {
            let area = self.high + rng.fraction() * (self.low - self.high);
            let x = self.inverse(area);
            let rank = x.round().clamp(1.0, self.rows);
            let is_in =
                rank - x <= self.sure || area >= self.area(rank + 0.5) - rank.powf(-self.exponent);
            if is_in {
                let scattered = (rank as u128 - 1) * 0x9e37_79b9_7f4a_7c55 % self.rows as u128;
                return scattered as u64;
            }
        }
    }
}
