//! How well distances tell a noun's ancestors from all other nouns (Nickel and Kiela 2017).

use crate::data::WordNet;
use crate::random::{Purpose, Random};
use std::thread;

/// A table of rows on the host.
#[derive(Clone, Copy)]
pub struct Embedding<'a> {
    pub values: &'a [f32],
    pub dim: usize,
}

impl Embedding<'_> {
    pub fn row(&self, row: u32) -> &[f32] {
        &self.values[row as usize * self.dim..][..self.dim]
    }

    /// Squared distances of every row to row `from`, in `distances`.
    pub fn distances(&self, from: u32, distances: &mut Vec<f32>) {
        let from = self.row(from);
        distances.clear();
        distances.extend(self.values.chunks_exact(self.dim).map(|row| {
            // Four sums, which a compiler may keep in one vector register.
            let mut sums = [0.0; 4];
            for (a, b) in row.chunks_exact(4).zip(from.chunks_exact(4)) {
                for i in 0..4 {
                    sums[i] += (a[i] - b[i]) * (a[i] - b[i]);
                }
            }
            sums.iter().sum::<f32>()
        }));
    }
}

/// Reconstruction of the transitive closure.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reconstruction {
    /// Mean over all pairs (u, ancestor v) of 1 + the number of nouns nearer to u than v is,
    /// u itself and its ancestors left out.
    pub mean_rank: f64,
    /// Mean over u of the average precision of all other nouns, nearest first, the ancestors
    /// being relevant.
    pub mean_average_precision: f64,
}

/// `count` different nouns that have ancestors.
pub fn sample(wordnet: &WordNet, count: usize, seed: u64) -> Vec<u32> {
    let mut random = Random::new(seed, Purpose::Evaluation);
    let has_ancestors = |&noun: &u32| wordnet.ancestors(noun).len() > 0;
    let mut nouns: Vec<u32> = (0..wordnet.len()).filter(has_ancestors).collect();
    random.shuffle(&mut nouns);
    nouns.truncate(count);
    nouns
}

/// Measures an embedding on `nouns`, on all cores.
pub fn evaluate(wordnet: &WordNet, embedding: Embedding<'_>, nouns: &[u32]) -> Reconstruction {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let measure = |part: &[u32]| {
        let mut distances = Vec::new();
        let mut scores = Vec::with_capacity(part.len());
        for &noun in part {
            embedding.distances(noun, &mut distances);
            scores.push(score(noun, wordnet.ancestors(noun), &mut distances));
        }
        scores
    };
    let scores: Vec<Score> = thread::scope(|scope| {
        let parts = nouns.chunks(nouns.len().div_ceil(threads).max(1));
        let parts: Vec<_> = parts.map(|part| scope.spawn(move || measure(part))).collect();
        parts
            .into_iter()
            .flat_map(|part| part.join().expect("a thread of the evaluation"))
            .collect()
    });
    mean(&scores)
}

/// What an embedding that knows nothing would reach: every order of the nouns equally likely.
pub fn chance(wordnet: &WordNet, nouns: &[u32]) -> Reconstruction {
    let others = f64::from(wordnet.len()) - 1.0;
    let harmonic: f64 = (1..wordnet.len()).map(|rank| 1.0 / f64::from(rank)).sum();
    let score = |&noun: &u32| {
        let ancestors = wordnet.ancestors(noun).len();
        let relevant = ancestors as f64;
        let rank = 1.0 + (others - relevant) / 2.0;
        // The mean over all ranks k of (1 + the relevant ones expected before k) / k.
        let before = (relevant - 1.0) / (others - 1.0);
        let average_precision = (harmonic + before * (others - harmonic)) / others;
        Score { ranks: rank * relevant, ancestors, average_precision }
    };
    mean(&nouns.iter().map(score).collect::<Vec<_>>())
}

/// One noun's part.
struct Score {
    /// The sum of its ancestors' ranks.
    ranks: f64,
    ancestors: usize,
    average_precision: f64,
}

fn mean(scores: &[Score]) -> Reconstruction {
    let ancestors: usize = scores.iter().map(|score| score.ancestors).sum();
    let ranks: f64 = scores.iter().map(|score| score.ranks).sum();
    let precisions: f64 = scores.iter().map(|score| score.average_precision).sum();
    Reconstruction {
        mean_rank: ranks / ancestors as f64,
        mean_average_precision: precisions / scores.len() as f64,
    }
}

/// Ranks the ancestors of `noun` by `distances`, which is left without them and the noun.
fn score(noun: u32, ancestors: impl Iterator<Item = u32>, distances: &mut [f32]) -> Score {
    distances[noun as usize] = f32::INFINITY;
    let take = |ancestor: u32| std::mem::replace(&mut distances[ancestor as usize], f32::INFINITY);
    let mut relevant: Vec<f32> = ancestors.map(take).collect();
    relevant.sort_unstable_by(f32::total_cmp);
    // Element i counts the others that are nearer than relevant[i], but not nearer than the
    // one before it.
    let mut nearer = vec![0u32; relevant.len() + 1];
    let farthest = relevant.last().copied().unwrap_or(0.0);
    for &distance in distances.iter().filter(|&&distance| distance < farthest) {
        nearer[relevant.partition_point(|&found| found <= distance)] += 1;
    }
    let (mut others, mut ranks, mut precisions) = (0.0, 0.0, 0.0);
    for (i, &nearer) in nearer[..relevant.len()].iter().enumerate() {
        others += f64::from(nearer);
        ranks += 1.0 + others;
        let found = i as f64 + 1.0;
        precisions += found / (found + others);
    }
    let average_precision = precisions / relevant.len() as f64;
    Score { ranks, ancestors: relevant.len(), average_precision }
}

/// The `count` nouns nearest to `noun`, nearest first.
pub fn nearest(embedding: Embedding<'_>, noun: u32, count: usize) -> Vec<u32> {
    let mut distances = Vec::new();
    embedding.distances(noun, &mut distances);
    let mut nouns: Vec<u32> = (0..distances.len() as u32).filter(|&other| other != noun).collect();
    nouns.sort_by(|&a, &b| distances[a as usize].total_cmp(&distances[b as usize]));
    nouns.truncate(count);
    nouns
}
