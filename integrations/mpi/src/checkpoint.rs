//! Checkpoints: a folder with a file for each rank that wrote it, and an index, which is written last.

mod export;
mod files;
mod import;
mod index;
mod rows;
mod shard;

pub use export::export_torch;
pub(crate) use files::{generation, remove_others, shard_name, sync_folder, write_index};
pub use import::{ImportedTable, import};
pub(crate) use index::{Index, ShardFile, StateEntry, TableEntry, words};
pub(crate) use rows::own_rows;
pub(crate) use shard::{Layout, Opened, text, write_shard};

use sparse_adam::Error;
use std::path::Path;

/// The error of a file that the system does not read or write.
pub(crate) fn io(path: &Path, error: std::io::Error) -> Error {
    Error::Io { path: path.display().to_string(), reason: error.to_string(), source: None }
}

/// The error of a file that is not what it should be.
pub(crate) fn invalid(path: &Path, reason: impl Into<String>) -> Error {
    Error::InvalidFile { what: format!("checkpoint: {}", path.display()), reason: reason.into() }
}
