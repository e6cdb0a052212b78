//! What `torch.save(optimizer.state_dict(), path)` wrote.
//!
//! The reader is our own, and small: a state is a dict of numbers, texts and tensors, so a few
//! dozen operations of pickle serve, and a zip directory without compression. A reader for all
//! that torch writes decides by itself how much it allocates; this one charges a budget.

mod container;
mod find;
mod machine;
mod opcodes;
mod pickle;
mod state;
mod storage;
mod tensors;
mod zip;

use super::KIND;
use crate::tensor_file::{Budget, Fault};
use crate::{Error, StateDict};
use container::Container;
use pickle::Pickle;
use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::Path;
use tensors::Source;

impl StateDict {
    /// Loads the state of a `torch.optim.SparseAdam` that `torch.save` wrote: a state dict by
    /// itself. Where it lies deeper in the file, see [`StateDict::load_pytorch_at`].
    ///
    /// Also states of older versions are read: without `maximize`, with `step` as a tensor, in
    /// the format before torch 1.6, which has no checksums. Of a group's keys, those that torch's
    /// schedulers leave (`max_lr`, `min_lr`, `base_lr`, `max_momentum`, `base_momentum`, `swa_lr`)
    /// are ignored; any other unknown one is refused.
    ///
    /// The pickle is parsed, never run: other objects in the file are skipped. Reading takes at
    /// most three times the file's size, or 3 MiB where that is more; of a file of more than 1,500
    /// parameters of a few numbers each, that may be too little, and it is refused.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::InvalidFile`] naming what is wrong, also for states of other
    /// optimizers, and for a file whose state lies under a key: the error says under which.
    pub fn load_pytorch(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::load_pytorch_at(path, &[])
    }

    /// As [`StateDict::load_pytorch`], of the state dict under keys, one inside the other: of a
    /// file of `{"epoch": 3, "optimizer": optimizer.state_dict()}` that under `["optimizer"]`. In
    /// a list, a key is a number from 0: Lightning's are under `["optimizer_states", "0"]`.
    ///
    /// # Errors
    /// As [`StateDict::load_pytorch`].
    pub fn load_pytorch_at(path: impl AsRef<Path>, keys: &[&str]) -> Result<Self, Error> {
        let path = path.as_ref();
        let loaded = File::open(path).map_err(Fault::from).and_then(|file| read(file, keys));
        loaded.map_err(|fault| fault.reading(KIND, Some(path)))
    }

    /// As [`StateDict::load_pytorch_at`], from the bytes of the file; no keys where the state
    /// dict is all there is.
    ///
    /// # Errors
    /// [`Error::InvalidFile`] naming what is wrong.
    pub fn from_pytorch(bytes: &[u8], keys: &[&str]) -> Result<Self, Error> {
        read(Cursor::new(bytes), keys).map_err(|fault| fault.reading(KIND, None))
    }
}

fn read(mut file: impl Read + Seek, keys: &[&str]) -> Result<StateDict, Fault> {
    let size = file.seek(SeekFrom::End(0))?;
    let mut budget = Budget::of_file(size);
    let (container, bytes) = Container::open(file, size, &mut budget)?;
    let pickle = Pickle::parse(&bytes, &mut budget)?;
    let root = find::at(&pickle, keys)?;
    state::read(Source { pickle: &pickle, container, budget }, root)
}
