#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod assign;
mod chunks;
mod device;
mod entries;
mod error;
#[cfg(feature = "mpi")]
mod job;
#[cfg(any(test, feature = "mpi"))]
mod launcher;
mod optimizer;
mod ranks;
#[cfg(any(test, feature = "mpi"))]
mod rounds;
mod table;
mod threads;
mod transport;
mod words;

pub use assign::Assign;
pub use entries::Gradient;
pub use error::Error;
#[cfg(feature = "mpi")]
pub use job::Mpi;
pub use optimizer::{ShardedOptimizer, Sums};
pub use ranks::Ranks;
pub use sparse_adam;
pub use table::{ShardedTable, Whole};
pub use threads::Threads;
pub use transport::{Blocks, Transport};
