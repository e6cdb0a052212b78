#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod assign;
mod device;
mod entries;
mod error;
mod optimizer;
mod ranks;
mod table;
mod threads;
mod transport;
mod words;

pub use assign::Assign;
pub use entries::Gradient;
pub use error::Error;
pub use optimizer::{ShardedOptimizer, Sums};
pub use ranks::Ranks;
pub use sparse_adam;
pub use table::{ShardedTable, Whole};
pub use threads::Threads;
pub use transport::{Blocks, Transport};
