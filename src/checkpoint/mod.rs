//! The state in files: safetensors both ways, PyTorch's `.pt` to read.

#[cfg(feature = "pytorch")]
mod pytorch;
mod safetensors;

use crate::{Error, SparseAdam, StateDict};
use std::path::Path;

impl SparseAdam {
    /// Reads the state back and saves it as safetensors (see [`StateDict::save`]).
    ///
    /// # Errors
    /// [`Error::DeviceLost`], [`Error::Io`].
    pub async fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        self.state_dict().await?.save(path)
    }

    /// Loads a state saved as safetensors (see [`SparseAdam::load_state_dict`]).
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::InvalidFile`], and those of [`SparseAdam::load_state_dict`].
    pub fn load(&mut self, path: impl AsRef<Path>) -> Result<(), Error> {
        self.load_state_dict(&StateDict::load(path)?)
    }
}

fn io(path: &Path, reason: impl std::fmt::Display) -> Error {
    Error::Io { path: path.display().to_string(), reason: reason.to_string() }
}

fn invalid(what: &str, reason: impl std::fmt::Display) -> Error {
    Error::InvalidFile { what: format!("checkpoint: {what}"), reason: reason.to_string() }
}

/// A shape whose axes and product fit what this library can hold.
fn shape(what: &str, axes: &[usize]) -> Result<Vec<u32>, Error> {
    let fits =
        |&axis: &usize| u32::try_from(axis).map_err(|_| invalid(what, "an axis is too long"));
    axes.iter().map(fits).collect()
}
