#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod assign;
mod checkpoint;
mod chunks;
mod device;
mod entries;
mod error;
#[cfg(any(test, feature = "mpi"))]
mod launcher;
mod link;
mod lookup;
#[cfg(feature = "mpi")]
mod mpi;
#[cfg(any(test, feature = "mpi"))]
mod notes;
mod optimizer;
mod ranks;
mod received;
#[cfg(any(test, feature = "mpi"))]
mod rounds;
mod table;
mod threads;
mod transport;
mod values;
#[cfg(any(test, feature = "mpi"))]
mod watch;
mod words;
mod world;

pub use assign::Assign;
pub use checkpoint::{ImportedTable, export_torch, import};
pub use entries::Gradient;
pub use error::Error;
pub use lookup::{Asked, Looked, Rows};
pub use optimizer::{Giving, ShardedOptimizer, Sums};
pub use ranks::Ranks;
pub use sparse_adam;
pub use table::{ShardedTable, Whole};
pub use transport::{Blocks, Transport};
pub use values::Values;
pub use world::World;
