//! A small seeded generator: the same numbers on every platform and in every build.

use sparse_adam_testkit::Rng;

/// SplitMix64: fast, 64 bits of state, good enough to sample with.
pub struct Random(Rng);

/// What a generator is for. Each purpose has numbers of its own, which `seed` and the purpose
/// alone decide, so that epoch 7 samples the same whether or not epochs 0 to 6 ran before it.
#[derive(Clone, Copy)]
pub enum Purpose {
    Initial,
    Evaluation,
    Epoch(u32),
}

impl Random {
    pub fn new(seed: u64, purpose: Purpose) -> Self {
        let stream = match purpose {
            Purpose::Initial => 0,
            Purpose::Evaluation => 1,
            Purpose::Epoch(epoch) => 2 + u64::from(epoch),
        };
        Self(Rng::of_stream(seed, stream))
    }

    /// An integer in `[0, bound)`, uniform to within 2^-32.
    pub fn below(&mut self, bound: u32) -> u32 {
        self.0.evenly_below(bound)
    }

    /// A number of mean 0 and variance 1, normal but for its tails: the sum of twelve uniform
    /// numbers. Unlike `ln` and `cos` of the usual method, sums have the same bits everywhere.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.0.fraction()).sum::<f64>() - 6.0
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u32 + 1) as usize);
        }
    }
}
