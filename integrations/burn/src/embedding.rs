//! An embedding whose gradient is sparse.

use crate::Lookups;
use burn::config::Config;
use burn::module::{Content, DisplaySettings, Initializer, Module, ModuleDisplay, Param};
use burn::tensor::{Device, Int, Tensor};

/// Configuration of a [`SparseEmbedding`].
#[derive(Config, Debug)]
pub struct SparseEmbeddingConfig {
    /// How many vectors there are.
    pub n_embedding: usize,
    /// Values of each.
    pub d_model: usize,
    /// How they start.
    #[config(default = "Initializer::Normal{mean:0.0, std:1.0}")]
    pub initializer: Initializer,
}

impl SparseEmbeddingConfig {
    /// The embedding, on `device`.
    pub fn init(&self, device: &Device) -> SparseEmbedding {
        SparseEmbedding {
            weight: self
                .initializer
                .init([self.n_embedding, self.d_model], device),
        }
    }
}

/// A lookup table as burn's `nn::Embedding`, whose backward pass yields one value row an id.
///
/// Its records are those of `nn::Embedding`.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct SparseEmbedding {
    /// The vectors, `[n_embedding, d_model]`.
    pub weight: Param<Tensor<2>>,
}

impl SparseEmbedding {
    /// The vectors of `[batch, sequence]` ids, `[batch, sequence, d_model]`.
    pub fn forward(&self, ids: Tensor<2, Int>, lookups: &mut Lookups) -> Tensor<3> {
        let [batch, sequence] = ids.dims();
        let rows = self.rows(ids.reshape([batch * sequence]), lookups);
        let [_, dim] = rows.dims();
        rows.reshape([batch, sequence, dim])
    }

    /// The vectors of `[ids]`, `[ids, d_model]`.
    pub fn rows(&self, ids: Tensor<1, Int>, lookups: &mut Lookups) -> Tensor<2> {
        lookups.select(&self.weight, ids)
    }
}

impl ModuleDisplay for SparseEmbedding {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        DisplaySettings::new()
            .with_new_line_after_attribute(false)
            .optional()
    }

    fn custom_content(&self, content: Content) -> Option<Content> {
        let [n_embedding, d_model] = self.weight.shape().dims();
        content
            .add("n_embedding", &n_embedding)
            .add("d_model", &d_model)
            .optional()
    }
}
