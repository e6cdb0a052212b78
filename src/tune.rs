//! Finding the [`Tuning`] that is fastest on an adapter, and keeping it.

#[cfg(not(target_arch = "wasm32"))]
mod bench;
#[cfg(not(target_arch = "wasm32"))]
mod clock;
#[cfg(not(target_arch = "wasm32"))]
mod field;
#[cfg(not(target_arch = "wasm32"))]
mod race;
#[cfg(not(target_arch = "wasm32"))]
mod search;
mod tuned;
#[cfg(not(target_arch = "wasm32"))]
mod tuner;
#[cfg(not(target_arch = "wasm32"))]
mod workload;

pub use tuned::{Bits, Clock, Evidence, Tuned, TunedAdapter};
#[cfg(not(target_arch = "wasm32"))]
pub use tuner::Tuner;
