//! Documents that nobody wrote: each class has words of its own that it likes to use, among the
//! common words that all use. Seeded, so that every run sees the same ones.

use crate::classifier::{BAGS, CLASSES, LONGEST, VOCABULARY};
use sparse_adam_testkit::Rng;

/// Fewest words a document.
const SHORTEST: u32 = 8;
/// Words that a class likes; classes may share some.
const LIKED: usize = 400;
/// Share of a document's words that are its class's.
const ON_TOPIC: f64 = 0.25;

/// What documents are made from.
pub struct World {
    /// The words that each class likes.
    liked: Vec<Vec<u32>>,
}

/// Documents and their classes.
#[derive(Default)]
pub struct Documents {
    words: Vec<Vec<u32>>,
    labels: Vec<u32>,
}

/// The documents of one frame, as the GPU wants them.
#[derive(Default)]
pub struct Batch {
    /// The words of all documents, one document after another.
    pub ids: Vec<u32>,
    pub bags: Vec<Bag>,
}

/// `Bag` in `classifier.wgsl`.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Bag {
    first: u32,
    length: u32,
    label: u32,
}

impl World {
    pub fn new(random: &mut Random) -> Self {
        let mut liked = || (0..LIKED).map(|_| random.below(VOCABULARY)).collect();
        Self { liked: (0..CLASSES).map(|_| liked()).collect() }
    }

    /// Documents of random classes and lengths.
    pub fn documents(&self, count: usize, random: &mut Random) -> Documents {
        let mut documents = Documents::default();
        for _ in 0..count {
            let label = random.below(CLASSES);
            let length = SHORTEST + random.below(LONGEST - SHORTEST + 1);
            let words = (0..length).map(|_| self.word(label, random)).collect();
            documents.words.push(words);
            documents.labels.push(label);
        }
        documents
    }

    fn word(&self, label: u32, random: &mut Random) -> u32 {
        let liked = &self.liked[label as usize];
        if random.uniform() < ON_TOPIC {
            return liked[random.below(liked.len() as u32) as usize];
        }
        // Word w is about as frequent as 1 / w, as words are.
        (f64::from(VOCABULARY).powf(random.uniform()) as u32).min(VOCABULARY) - 1
    }
}

impl Documents {
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// The chosen documents, [`BAGS`] of them.
    pub fn batch(&self, chosen: &[usize]) -> Batch {
        assert_eq!(chosen.len(), BAGS as usize, "a frame has a fixed number of bags");
        let mut batch = Batch::default();
        for &document in chosen {
            let (words, label) = (&self.words[document], self.labels[document]);
            let (first, length) = (batch.ids.len() as u32, words.len() as u32);
            batch.bags.push(Bag { first, length, label });
            batch.ids.extend(words);
        }
        batch
    }
}

/// Seeded numbers.
pub struct Random(Rng);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(Rng(seed))
    }

    /// Uniform in `[0, 1)`.
    fn uniform(&mut self) -> f64 {
        self.0.fraction()
    }

    /// An integer in `[0, bound)`.
    fn below(&mut self, bound: u32) -> u32 {
        self.0.evenly_below(bound)
    }

    /// A weight to start with: uniform in `[-0.1, 0.1)`.
    pub fn small(&mut self) -> f32 {
        (0.2 * self.uniform() - 0.1) as f32
    }

    /// The numbers below `count`, in random order.
    pub fn permutation(&mut self, count: usize) -> Vec<usize> {
        let mut numbers: Vec<usize> = (0..count).collect();
        for last in (1..count).rev() {
            numbers.swap(last, self.below(last as u32 + 1) as usize);
        }
        numbers
    }
}
