//! A checkpoint in two parts: what tables have is on the disk, and held still; then a manifest says so of all of them.

use super::compact::Folding;
use super::journal::Journal;
use super::manifest::Manifest;
use super::{FileStore, Shared, State, Written, log};
use crate::threads::locked;
use crate::{Error, Mark};
use std::sync::{Arc, MutexGuard};

/// A table of which nothing is written until this is dropped.
pub(super) struct Sealed<'a> {
    shared: &'a Arc<Shared>,
    folding: MutexGuard<'a, Folding>,
    written: MutexGuard<'a, Written>,
    _none: MutexGuard<'a, ()>,
    next: Manifest,
    /// Whether its log is to be set aside.
    is_long: bool,
}

impl FileStore {
    /// Brings the log to the disk.
    ///
    /// # Errors
    /// That of the last folding; [`Error::Io`]; [`Error::Unsynced`].
    pub(super) fn seal(&self, mark: Mark) -> Result<Sealed<'_>, Error> {
        let mut folding = locked(&self.folding);
        folding.verdict()?;
        let shared = &self.shared;
        let none = locked(&shared.append);
        let mut written = locked(&shared.manifest);
        let (number, file, bytes, frozen) = {
            let State { active, frozen, .. } = &*shared.state();
            let frozen = frozen.as_ref().map(|log| (log.number, log.bytes));
            (active.number, Arc::clone(&active.file), active.bytes, frozen)
        };
        let name = || super::Disk::name(&shared.disk, &log::name(number));
        if written.broken {
            return Err(Error::Unsynced { file: name() });
        }
        if let Err(error) = file.sync().and_then(|()| super::Disk::sync(&shared.disk)) {
            written.broken = true;
            return Err(Error::io(format!("syncing {}", name()))(error));
        }
        let logs = frozen.into_iter().chain([(number, bytes)]).collect();
        let next = written.manifest.marked(mark, logs);
        let is_long = bytes >= self.long && frozen.is_none();
        Ok(Sealed { shared, folding, written, _none: none, next, is_long })
    }
}

/// Has a manifest say what these tables have, all at once; then long logs are folded.
pub(super) fn checkpoint(journal: &Journal, all: Vec<Sealed<'_>>) -> Result<(), Error> {
    let next: Vec<_> = all.iter().map(|sealed| (&*sealed.shared.name, &sealed.next)).collect();
    journal.publish(&next)?;
    let after = all.into_iter().map(Sealed::done).collect::<Vec<_>>();
    after.into_iter().collect()
}

impl Sealed<'_> {
    /// The manifest is there.
    fn done(mut self) -> Result<(), Error> {
        self.written.manifest = self.next;
        drop(self.written);
        if self.is_long {
            self.folding.begin(self.shared)?;
        }
        self.folding.go_on(self.shared)
    }
}
