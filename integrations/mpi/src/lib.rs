#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod assign;
mod checkpoint;
mod chunks;
mod device;
mod entries;
mod error;
#[cfg(feature = "mpi")]
mod job;
#[cfg(any(test, feature = "mpi"))]
mod launcher;
mod lookup;
mod optimizer;
mod ranks;
#[cfg(any(test, feature = "mpi"))]
mod rounds;
mod table;
mod threads;
mod transport;
mod values;
#[cfg(any(test, feature = "mpi"))]
mod watch;
mod words;

pub use assign::Assign;
pub use checkpoint::{ImportedTable, export_torch, import};
pub use entries::Gradient;
pub use error::Error;
#[cfg(feature = "mpi")]
pub use job::Mpi;
pub use lookup::{Asked, Looked, Rows};
pub use optimizer::{ShardedOptimizer, Sums};
pub use ranks::Ranks;
pub use sparse_adam;
pub use table::{ShardedTable, Whole};
pub use threads::Threads;
pub use transport::{Blocks, Transport};
pub use values::Values;
