//! Finding the [`Tuning`] that is fastest on an adapter, and keeping it.

mod bench;
mod clock;
mod field;
mod race;
mod search;
mod tuned;
mod tuner;
mod workload;

pub use tuned::{Bits, Clock, Evidence, Tuned, TunedAdapter};
pub use tuner::Tuner;
