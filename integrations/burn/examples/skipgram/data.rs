//! Synthetic text: words of one topic appear together, few words are common.

use crate::model::Start;

/// Negatives a pair.
const NEGATIVES: usize = 5;
/// Words of a topic.
const TOPIC: usize = 16;

/// Ids of a batch.
pub struct Batch {
    pub words: Vec<i32>,
    /// For each word, a context and its negatives.
    pub contexts: Vec<i32>,
}

/// Seeded numbers.
pub struct Rng(sparse_adam_testkit::Rng);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(sparse_adam_testkit::Rng(seed))
    }

    /// Uniform in [0, 1).
    fn unit(&mut self) -> f64 {
        self.0.fraction()
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.unit() * limit as f64) as usize
    }

    /// Uniform in [-scale, scale).
    pub fn signed(&mut self, scale: f32) -> f32 {
        (2.0 * self.unit() - 1.0) as f32 * scale
    }

    /// A word by its frequency: the density falls as 1 / id.
    fn word(&mut self, rows: usize) -> usize {
        let word = (rows as f64).powf(self.unit()) as usize;
        word.min(rows) - 1
    }

    /// Both tables' first values.
    pub fn start(&mut self, rows: usize, dim: usize) -> Start {
        let mut table = || (0..rows * dim).map(|_| self.signed(0.5)).collect();
        Start {
            rows,
            dim,
            words: table(),
            contexts: table(),
        }
    }

    /// `count` pairs of words of one topic, each with negatives from anywhere.
    pub fn batch(&mut self, rows: usize, count: usize) -> Batch {
        let words = (0..count).map(|_| self.word(rows)).collect::<Vec<_>>();
        self.around(rows, &words)
    }

    /// A batch that names every row of both tables.
    pub fn all(&mut self, rows: usize) -> Batch {
        let mut words: Vec<_> = (0..rows).collect();
        for last in (1..rows).rev() {
            words.swap(last, self.below(last + 1));
        }
        let mut batch = self.around(rows, &words);
        // Every context once: the next word of the topic.
        for (word, contexts) in words.iter().zip(batch.contexts.chunks_mut(1 + NEGATIVES)) {
            contexts[0] = (word - word % TOPIC + (word + 1) % TOPIC) as i32;
        }
        batch
    }

    fn around(&mut self, rows: usize, words: &[usize]) -> Batch {
        let mut contexts = Vec::with_capacity(words.len() * (1 + NEGATIVES));
        for word in words {
            let context = word - word % TOPIC + self.below(TOPIC);
            contexts.push(context.min(rows - 1) as i32);
            contexts.extend((0..NEGATIVES).map(|_| self.below(rows) as i32));
        }
        Batch {
            words: words.iter().map(|&word| word as i32).collect(),
            contexts,
        }
    }
}
