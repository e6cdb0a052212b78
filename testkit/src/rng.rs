//! Seeded inputs: the same on every machine.

use sparse_adam::reference::Gradient;
use sparse_adam::{
    AdamOptions, BiasCorrection, CatchUp, Clip, Epsilon, Reduction, SecondMoment, WeightDecay,
};

/// SplitMix64 (Steele, Lea and Flood 2014), started with its seed.
#[derive(Clone, Debug)]
pub struct Rng(pub u64);

impl Rng {
    /// The generator of a seed and a stream: streams of one seed have nothing in common.
    pub fn of_stream(seed: u64, stream: u64) -> Self {
        Self(Self(seed).next().wrapping_add(Self(stream).next()))
    }

    /// Any 64 bits.
    #[expect(clippy::should_implement_trait, reason = "numbers never end, so there is no Option")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// An integer in `[0, limit)`; small ones are a little likelier where `limit` is very large.
    ///
    /// # Panics
    /// Where `limit` is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// An integer in `[0, bound)`, uniform to within 2^-32.
    pub fn evenly_below(&mut self, bound: u32) -> u32 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u32
    }

    /// Uniform in `[0, 1)`.
    pub fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in `[-1, 1)`.
    pub fn signed(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    /// `count` numbers in `[-1, 1)`.
    pub fn floats(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.signed()).collect()
    }

    /// Puts items in random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// The rows of a table in random order.
    pub fn permutation(&mut self, rows: usize) -> Vec<i64> {
        let mut order: Vec<i64> = (0..rows as i64).collect();
        self.shuffle(&mut order);
        order
    }

    /// `nnz` entries: a hot row, a few rows, and rows from anywhere; in no order.
    ///
    /// # Panics
    /// Where the table has no rows.
    pub fn gradient(&mut self, rows: usize, dim: usize, nnz: usize) -> Gradient<f32> {
        let (hot, few) = (self.below(rows), rows.min(7));
        let mut index = || match self.below(4) {
            0 => hot as i64,
            1 => self.below(few) as i64,
            _ => self.below(rows) as i64,
        };
        let indices = (0..nnz).map(|_| index()).collect();
        Gradient { indices, values: self.floats(nnz * dim) }
    }

    /// Bags of random lengths: an index and a bag's number per entry, and a value row per bag.
    ///
    /// # Panics
    /// Where the table has no rows.
    pub fn bags(&mut self, rows: usize, dim: usize, bags: usize) -> (Gradient<f32>, Vec<u32>) {
        let (mut indices, mut map) = (Vec::new(), Vec::new());
        for bag in 0..bags {
            for _ in 0..self.below(9) {
                indices.push(self.below(rows) as i64);
                map.push(bag as u32);
            }
        }
        (Gradient { indices, values: self.floats(bags * dim) }, map)
    }

    /// Options of a group, anything but extreme: torch's SparseAdam in seven of eight draws, else any
    /// rule that clips no entries.
    pub fn options(&mut self) -> AdamOptions {
        let options = AdamOptions::default()
            .lr(10f64.powf(f64::from(self.signed()) - 2.0))
            .betas((0.9 + 0.05 * f64::from(self.signed()), 0.99 + 0.009 * f64::from(self.signed())))
            .maximize(self.below(2) == 1);
        if self.below(8) > 0 { options } else { self.rule(options) }
    }

    /// As [`Rng::rule`], of some kind.
    pub fn rule_that(
        &mut self,
        options: AdamOptions,
        is: impl Fn(&AdamOptions) -> bool,
    ) -> AdamOptions {
        loop {
            let drawn = self.rule(options);
            if is(&drawn) {
                return drawn;
            }
        }
    }

    /// Any rule that clips no entries, with the numbers of `options`.
    pub fn rule(&mut self, options: AdamOptions) -> AdamOptions {
        let amount = 0.3 * self.fraction();
        let decays = [
            WeightDecay::None,
            WeightDecay::L2(amount),
            WeightDecay::Decoupled(amount),
            WeightDecay::Plain(amount / 10.0),
        ];
        let biases = [BiasCorrection::Step, BiasCorrection::None, BiasCorrection::Row];
        loop {
            let drawn = options
                .epsilon([Epsilon::Raw, Epsilon::Corrected][self.below(2)])
                .bias_correction(biases[self.below(3)])
                .weight_decay(decays[self.below(4)])
                .amsgrad(self.below(2) == 1)
                .clip([Clip::None, Clip::Value(0.1 + self.fraction())][self.below(2)])
                .grad_scale([1.0, 0.25 + self.fraction()][self.below(2)])
                .second_moment([SecondMoment::Element, SecondMoment::Row][self.below(2)])
                .catch_up([CatchUp::Never, CatchUp::Decay, CatchUp::Momentum][self.below(3)])
                .duplicates([Reduction::Sum, Reduction::Mean][self.below(2)]);
            // Options that contradict one another are drawn again.
            if drawn.validate().is_ok() {
                return drawn;
            }
        }
    }
}
