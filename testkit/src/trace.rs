//! Traces: optimizer runs recorded from PyTorch, replayed here and compared.
//!
//! A trace is a safetensors file. Its metadata key `trace` holds [`Recipe`] as JSON; its
//! tensors are `initial/<p>` f32, `step/<k>/<p>/indices` i64 `[nnz]`, `step/<k>/<p>/values` f32
//! `[nnz, ...]`, and `expected/<k>/<p>/param`, `/exp_avg`, `/exp_avg_sq`, `/max_exp_avg_sq` f32. Where a file tells
//! one of the last three of no parameter, it is not compared.

mod compare;
mod file;
mod judge;
mod recipe;
mod replay;
mod twin;

pub use compare::{Comparison, Tolerance};
pub use file::Trace;
pub use recipe::{ClipRecipe, GroupRecipe, Recipe, SetRecipe, StepRecipe};
pub use replay::Outcome;
