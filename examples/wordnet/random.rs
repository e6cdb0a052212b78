//! A small seeded generator: the same numbers on every platform and in every build.

/// SplitMix64 (Steele, Lea and Flood 2014): fast, 64 bits of state, good enough to sample with.
pub struct Random(u64);

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
        Self(Self(seed).next().wrapping_add(Self(stream).next()))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// An integer in `[0, bound)`, uniform to within 2^-32.
    pub fn below(&mut self, bound: u32) -> u32 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u32
    }

    /// A number of mean 0 and variance 1, normal but for its tails: the sum of twelve uniform
    /// numbers. Unlike `ln` and `cos` of the usual method, sums have the same bits everywhere.
    pub fn normal(&mut self) -> f64 {
        let uniform = |bits: u64| (bits >> 11) as f64 / (1u64 << 53) as f64;
        (0..12).map(|_| uniform(self.next())).sum::<f64>() - 6.0
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u32 + 1) as usize);
        }
    }
}
