#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[cfg(not(target_arch = "wasm32"))]
mod adapters;
#[cfg(not(target_arch = "wasm32"))]
pub mod bench;
#[cfg(not(target_arch = "wasm32"))]
pub mod campaign;
pub mod conformance;
pub mod headless;
mod named;
mod pair;
mod poison;
mod rng;
mod stored;
pub mod trace;

#[cfg(not(target_arch = "wasm32"))]
pub use adapters::{assert_tensor, drawn_variants, gpus, other_variants, variants};
pub use named::Named;
pub use pair::{Pair, Shape};
pub use poison::{Inspected, Poisoned, Pool, encode};
pub use rng::Rng;
pub use stored::{Stored, rounded};
