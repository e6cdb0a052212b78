#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod embedding;
mod error;
mod gpu;
mod lookups;
mod optimizer;
mod tensor;

pub use embedding::{SparseEmbedding, SparseEmbeddingConfig};
pub use error::{Error, StepError};
pub use gpu::Gpu;
pub use lookups::{Lookups, SparseGrads};
pub use optimizer::SparseAdam;
pub use sparse_adam;
