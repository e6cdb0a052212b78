#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![doc = include_str!("../README.md")]

mod error;
mod export;
#[cfg(any(unix, windows))]
mod file;
mod gpu;
mod layout;
mod memory;
mod moves;
mod plan;
mod statistics;
mod store;
mod table;
mod threads;

pub use error::Error;
#[cfg(any(unix, windows))]
pub use file::{FileGroup, FileStore};
pub use layout::Layout;
pub use memory::MemoryStore;
pub use statistics::Statistics;
pub use store::{Durable, Mark, RowStore, f32_weights};
pub use table::{Batch, CachedTable, Plan};
