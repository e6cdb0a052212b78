//! Batches of pairs with random negatives.

use crate::random::{Purpose, Random};

/// Draws an epoch's batches: every pair once, in random order, each with nouns drawn uniformly
/// as negatives.
pub struct Sampler<'a> {
    pub pairs: &'a [[u32; 2]],
    pub nouns: u32,
    /// Negatives a pair.
    pub negatives: u32,
    /// Pairs a batch; an epoch's last batch may have fewer.
    pub batch: u32,
    pub seed: u64,
}

impl<'a> Sampler<'a> {
    /// Batches of epoch `epoch`, from 0. They depend on the seed and the epoch's number alone,
    /// so training can go on from the end of any epoch.
    pub fn epoch(&self, epoch: u32) -> Epoch<'a> {
        let mut random = Random::new(self.seed, Purpose::Epoch(epoch));
        let mut order: Vec<u32> = (0..self.pairs.len() as u32).collect();
        random.shuffle(&mut order);
        let (pairs, nouns) = (self.pairs, self.nouns);
        Epoch {
            pairs,
            nouns,
            negatives: self.negatives,
            batch: self.batch,
            order,
            random,
            drawn: 0,
        }
    }
}

/// The batches of one epoch, in order.
pub struct Epoch<'a> {
    pairs: &'a [[u32; 2]],
    nouns: u32,
    negatives: u32,
    batch: u32,
    order: Vec<u32>,
    random: Random,
    drawn: usize,
}

impl Epoch<'_> {
    /// Puts the next batch into `ids`, `[pairs, 2 + negatives]`: the noun, its ancestor, the
    /// negatives. Returns its number of pairs, 0 after the last batch.
    pub fn next_batch(&mut self, ids: &mut Vec<u32>) -> u32 {
        ids.clear();
        let end = self.order.len().min(self.drawn + self.batch as usize);
        let batch = &self.order[self.drawn..end];
        for &pair in batch {
            ids.extend(self.pairs[pair as usize]);
            ids.extend((0..self.negatives).map(|_| self.random.below(self.nouns)));
        }
        self.drawn = end;
        batch.len() as u32
    }
}
