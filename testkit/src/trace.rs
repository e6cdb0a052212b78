//! Traces: optimizer runs recorded from PyTorch, replayed here and compared.
//!
//! A trace is a safetensors file. Its metadata key `trace` holds [`Recipe`] as JSON; its
//! tensors are `initial/<p>` f32, `step/<k>/<p>/indices` i64 `[nnz]`, `step/<k>/<p>/values` f32
//! `[nnz, ...]`, and `expected/<k>/<p>/param`, `/exp_avg`, `/exp_avg_sq`, `/max_exp_avg_sq` f32. Where a file tells
//! one of the last three of no parameter, it is not compared.
//!
//! The recipe's key `formats` tells which parameters are stored in 16 bits:
//!
//! ```json
//! {"formats": {"p0": {"param": "f16", "values": "bf16"},
//!              "p1": {"param": "bf16", "state": "bf16", "rounding": {"stochastic": 7}}}}
//! ```
//!
//! `param` and `values` are `f32`, `f16` or `bf16`, `state` is `f32` or `bf16`; absent, and of parameters that it does not
//! name, they are `f32`. `rounding` holds for the parameter and its moments: `"nearest"`, or `{"stochastic": seed}`.
//! Absent it is to the nearest, but with moments in bf16, which an optimizer takes with random bits alone, those of
//! seed 0. The file's tensors are f32 all the same. Initial values and gradients must be numbers of their format: one
//! that is not is an error that names it. What comes out is compared in f32.

mod compare;
mod file;
mod formats;
mod judge;
mod outcome;
mod recipe;
mod replay;
mod twin;

pub use compare::{Comparison, Tolerance};
pub use file::Trace;
pub(crate) use formats::FormatKeys;
pub use outcome::{Outcome, Outcomes};
pub use recipe::{ClipRecipe, GroupRecipe, Recipe, SetRecipe, StepRecipe};
