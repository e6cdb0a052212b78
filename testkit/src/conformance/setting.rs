//! Where a law is checked, and with what inputs.

use crate::Rng;
use crate::headless::Gpu;
use crate::{Pair, Shape};
use sparse_adam::{AdamOptions, Error, Tuning};

/// An adapter, a tuning and a seed.
#[derive(Clone, Copy)]
pub(super) struct Setting<'a> {
    pub gpu: &'a Gpu,
    pub tuning: Tuning,
    pub seed: u64,
}

impl<'a> Setting<'a> {
    /// Whether the adapter must have the twin's bits.
    pub fn has_bits(&self) -> bool {
        self.gpu.has_bits_of_twin(&self.tuning)
    }

    /// A generator for the `case`-th input of a law.
    pub fn rng(&self, case: u64) -> Rng {
        Rng(self.seed.wrapping_mul(0x1_0000_0001).wrapping_add(case))
    }

    /// Tables and their twins.
    pub fn pair(&self, tables: &[(Shape, AdamOptions)], rng: &mut Rng) -> Result<Pair<'a>, Error> {
        Pair::try_new((self.gpu, self.tuning), tables, rng)
    }

    /// One table with default options.
    pub fn single(&self, shape: Shape, rng: &mut Rng) -> Result<Pair<'a>, Error> {
        self.pair(&[(shape, AdamOptions::default())], rng)
    }
}
