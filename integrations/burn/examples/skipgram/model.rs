//! Skip-gram with negative sampling (Mikolov et al. 2013): a table of words, one of contexts.
//!
//! Twice the same model: with sparse embeddings, and with burn's own.

use crate::data::Batch;
use burn::module::{Module, Param};
use burn::nn::Embedding;
use burn::tensor::activation::log_sigmoid;
use burn::tensor::{Device, Int, Tensor, TensorData};
use sparse_adam_burn::{Lookups, SparseEmbedding};

/// Both tables' first values, so that two models start alike.
pub struct Start {
    pub rows: usize,
    pub dim: usize,
    pub words: Vec<f32>,
    pub contexts: Vec<f32>,
}

impl Start {
    fn param(&self, values: &[f32], device: &Device) -> Param<Tensor<2>> {
        let data = TensorData::new(values.to_vec(), [self.rows, self.dim]);
        Param::from_data(data, device)
    }
}

/// The model that is trained with SparseAdam.
#[derive(Module, Debug)]
pub struct Sparse {
    pub words: SparseEmbedding,
    pub contexts: SparseEmbedding,
}

impl Sparse {
    pub fn new(start: &Start, device: &Device) -> Self {
        Self {
            words: SparseEmbedding {
                weight: start.param(&start.words, device),
            },
            contexts: SparseEmbedding {
                weight: start.param(&start.contexts, device),
            },
        }
    }

    /// The loss of a batch. `lookups` takes note of the rows that were looked up.
    pub fn loss(&self, batch: &Ids, lookups: &mut Lookups) -> Tensor<1> {
        let words = self.words.rows(batch.words.clone(), lookups);
        let contexts = self.contexts.rows(batch.contexts.clone(), lookups);
        loss(words, contexts)
    }
}

/// The same model, trained with burn's Adam.
#[derive(Module, Debug)]
pub struct Dense {
    pub words: Embedding,
    pub contexts: Embedding,
}

impl Dense {
    pub fn new(start: &Start, device: &Device) -> Self {
        Self {
            words: Embedding {
                weight: start.param(&start.words, device),
            },
            contexts: Embedding {
                weight: start.param(&start.contexts, device),
            },
        }
    }

    pub fn loss(&self, batch: &Ids) -> Tensor<1> {
        let rows = |table: &Embedding, ids: &Tensor<1, Int>| {
            let vectors = table.forward(ids.clone().unsqueeze_dim(0));
            vectors.squeeze_dim::<2>(0)
        };
        loss(
            rows(&self.words, &batch.words),
            rows(&self.contexts, &batch.contexts),
        )
    }
}

/// A batch on the device: `[batch]` words, and for each of them a context and its negatives.
pub struct Ids {
    words: Tensor<1, Int>,
    contexts: Tensor<1, Int>,
}

impl Ids {
    pub fn new(batch: &Batch, device: &Device) -> Self {
        let ids = |ids: &[i32]| {
            let data = TensorData::new(ids.to_vec(), [ids.len()]);
            Tensor::<1, Int>::from_data(data, device)
        };
        Self {
            words: ids(&batch.words),
            contexts: ids(&batch.contexts),
        }
    }
}

/// -log s(w c) - sum over the negatives n of log s(-w n), a word.
fn loss(words: Tensor<2>, contexts: Tensor<2>) -> Tensor<1> {
    let [batch, dim] = words.dims();
    let a_word = contexts.dims()[0] / batch;
    let contexts = contexts.reshape([batch, a_word, dim]);
    let scores = (words.unsqueeze_dim::<3>(1) * contexts).sum_dim(2);
    let scores = scores.reshape([batch, a_word]);
    let context = scores.clone().slice([0..batch, 0..1]);
    let negatives = scores.slice([0..batch, 1..a_word]);
    let likelihood = log_sigmoid(context).sum() + log_sigmoid(negatives.neg()).sum();
    likelihood.div_scalar(-(batch as f32))
}
