//! The WordNet embedding, learning in the browser: the native example's model, its sampler and
//! its data, with a loop that yields.

use crate::data::WordNet;
use crate::evaluate::{self, Embedding};
use crate::model::{Model, Shape, Stored};
use crate::random::{Purpose, Random};
use crate::sampler::{Epoch, Sampler};
use crate::{Session, json, now};
use serde::{Deserialize, Serialize};
use sparse_adam::{AdamOptions, SparseAdam};
use sparse_adam_testkit::headless::Gpu;
use std::sync::OnceLock;
use wasm_bindgen::prelude::*;

/// Standard deviation of the initial embedding.
const INITIAL: f64 = 0.01;

static WORDNET: OnceLock<WordNet> = OnceLock::new();

/// What the page may choose.
#[derive(Deserialize)]
struct Options {
    dim: u32,
    batch: u32,
    negatives: u32,
    lr: f64,
    seed: u64,
    /// Of `AdamOptions::PRESETS`.
    preset: String,
}

/// Where training is.
#[derive(Serialize)]
struct Look {
    /// Epochs done, with the part of the current one.
    epochs: f64,
    /// Mean loss over the batches since the last look.
    loss: f64,
    pairs_per_second: f64,
    steps: u64,
}

/// A noun and what lies nearest to it.
#[derive(Serialize)]
struct Found {
    lemma: String,
    /// What it is a kind of, to tell nouns of one lemma apart.
    kind_of: String,
    near: Vec<String>,
}

/// An embedding that learns.
#[wasm_bindgen]
pub struct Trainer {
    gpu: Gpu,
    optimizer: SparseAdam,
    model: Model,
    sampler: Sampler<'static>,
    batches: Epoch<'static>,
    epoch: u32,
    /// Pairs of this epoch that are done.
    done: u64,
    steps: u64,
    ids: Vec<u32>,
}

#[wasm_bindgen]
impl Trainer {
    /// A fresh embedding of all nouns. `options`: `{"dim","batch","negatives","lr","seed","preset"}`.
    #[wasm_bindgen(constructor)]
    pub fn new(session: &Session, options: &str) -> Result<Trainer, JsError> {
        let Options { dim, batch, negatives, lr, seed, preset } = serde_json::from_str(options)?;
        let (gpu, wordnet) = (session.gpu.clone(), wordnet()?);
        let rule = AdamOptions::preset(&preset).ok_or_else(|| JsError::new("no such preset"))?;
        let defaults = rule.lr(lr);
        let mut optimizer = SparseAdam::new(&gpu.device, &gpu.queue, defaults)?;
        let stored = Stored::default();
        let shape = Shape { nouns: wordnet.len(), dim, negatives, batch, stored };
        let mut random = Random::new(seed, Purpose::Initial);
        let count = shape.nouns as usize * dim as usize;
        let initial: Vec<f32> = (0..count).map(|_| (INITIAL * random.normal()) as f32).collect();
        let model = Model::new(&gpu.device, &mut optimizer, shape, &initial)?;
        let sampler = Sampler { pairs: &wordnet.pairs, nouns: shape.nouns, negatives, batch, seed };
        let batches = sampler.epoch(0);
        let (epoch, done, steps, ids) = (0, 0, 0, Vec::new());
        Ok(Self { gpu, optimizer, model, sampler, batches, epoch, done, steps, ids })
    }

    /// Trains up to `batches` batches, not past the end of an epoch, and looks at the loss.
    pub async fn look(&mut self, batches: u32) -> Result<String, JsError> {
        let (start, mut pairs) = (now(), 0);
        for _ in 0..batches {
            let drawn = self.batches.next_batch(&mut self.ids);
            if drawn == 0 {
                break;
            }
            let (model, optimizer) = (&self.model, &mut self.optimizer);
            let (queue, ids) = (&self.gpu.queue, &self.ids);
            self.gpu.submit(|encoder| model.record(queue, optimizer, encoder, ids))?;
            pairs += u64::from(drawn);
            self.steps += 1;
        }
        let total: Vec<f32> = self.gpu.read(&self.model.total).await?;
        self.gpu.queue.write_buffer(&self.model.total, 0, &[0; 4]);
        self.done += pairs;
        let all = self.sampler.pairs.len() as u64;
        let epochs = f64::from(self.epoch) + self.done as f64 / all as f64;
        if self.done == all {
            self.epoch += 1;
            self.done = 0;
            self.batches = self.sampler.epoch(self.epoch);
        }
        json(&Look {
            epochs,
            loss: f64::from(total[0]) / pairs as f64,
            pairs_per_second: pairs as f64 * 1e3 / (now() - start),
            steps: self.steps,
        })
    }

    /// The nouns nearest to the first noun of this lemma, as JSON; `null` where there is none.
    pub async fn neighbours(&self, lemma: &str, count: usize) -> Result<String, JsError> {
        let wordnet = wordnet()?;
        let Some(noun) = wordnet.find(lemma.trim()) else {
            return Ok("null".into());
        };
        let values = self.model.values_of(&self.gpu.read(&self.model.embedding).await?);
        let embedding = Embedding { values: &values, dim: self.model.shape.dim as usize };
        let near = evaluate::nearest(embedding, noun, count);
        let name = |noun: u32| wordnet.lemmas[noun as usize].clone();
        let kind_of = wordnet.hypernyms[noun as usize].first();
        json(&Found {
            lemma: name(noun),
            kind_of: kind_of.map(|&above| name(above)).unwrap_or_default(),
            near: near.into_iter().map(name).collect(),
        })
    }

    /// Up to `count` lemmas that start with `start`, shortest first, as JSON.
    pub fn suggest(start: &str, count: usize) -> Result<String, JsError> {
        let lemmas = wordnet()?.lemmas.iter().filter(|lemma| lemma.starts_with(start));
        let mut found: Vec<&String> = lemmas.collect();
        found.sort_by_key(|lemma| (lemma.len(), lemma.as_str()));
        found.dedup();
        found.truncate(count);
        json(&found)
    }
}

fn wordnet() -> Result<&'static WordNet, JsError> {
    if WORDNET.get().is_none() {
        let loaded = WordNet::load().map_err(|error| JsError::new(&error.to_string()))?;
        // A browser has one thread: nobody else can have set it meanwhile.
        let _ = WORDNET.set(loaded);
    }
    WORDNET.get().ok_or_else(|| JsError::new("the nouns could not be loaded"))
}
