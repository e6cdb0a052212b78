//! Tables in files: of each a base, a log of what was written since; and a manifest that says what of the logs is part of
//! the last checkpoint.
//!
//! The base holds no row as it was after the last checkpoint, so a crash at any byte leaves that whole: what follows in the log
//! is ignored. When a checkpoint finds the log long, the log is set aside and folded into the base by a thread; until
//! the base is synced and a manifest without the old log is there, reads and restarts go by the log.

mod base;
mod compact;
mod disk;
mod folded;
mod group;
mod journal;
mod log;
mod manifest;
#[cfg(test)]
mod ram;
mod seal;
#[cfg(test)]
mod tests;

pub use group::FileGroup;

use crate::store::{self, Init};
use crate::threads::locked;
use crate::{Durable, Error, Layout, Mark, RowStore};
use base::Base;
use compact::Folding;
use disk::{Bytes, Disk, Folder, Named};
use folded::Folded;
use journal::Journal;
use log::Log;
use manifest::Manifest;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Bytes of a log from which on a checkpoint sets it aside.
const LONG: u64 = 256 << 20;

/// A table in a folder. Rows that were never written take no room, whatever their number.
///
/// Files: `base`, sparse, a place for each row; `folded.N`, which rows it has; `log.N`; `manifest`; `lock`, which keeps other
/// processes out. Of a table of a [`FileGroup`] the first three begin with its name. While rows are
/// in the logs, some 40 bytes of host memory for each are held: where the log has it; and a bit for each row that the base may
/// have, in pages of 4 KiB.
#[derive(Debug)]
pub struct FileStore {
    shared: Arc<Shared>,
    /// One checkpoint, or end of a folding, at a time.
    folding: Mutex<Folding>,
    long: u64,
}

/// What threads share.
#[derive(Debug)]
struct Shared {
    journal: Arc<Journal>,
    /// Its name there.
    name: String,
    disk: Named,
    rows: u64,
    layout: Layout,
    base: Base,
    state: RwLock<State>,
    /// One append at a time, none while a checkpoint is made.
    append: Mutex<()>,
    /// One manifest at a time.
    manifest: Mutex<Written>,
}

#[derive(Debug)]
struct State {
    active: Log,
    /// A log that is folded into the base.
    frozen: Option<Log>,
    /// The rows that the base has.
    folded: Folded,
}

/// Where a row's last record is.
enum Place {
    Log(u64, Arc<dyn Bytes>, u64),
    Base,
    /// It was never written.
    Nowhere,
}

/// What the manifest says.
#[derive(Debug)]
struct Written {
    manifest: Manifest,
    /// A sync has failed, so nobody knows what is on the disk of what was written: no more checkpoints.
    broken: bool,
}

impl FileStore {
    /// Opens the store of a folder, as its last checkpoint is, or makes one of `rows` rows there. `init` makes the weights of
    /// a row that was never written: given its number and its zeroed bytes; it must give a row the same bytes every time
    /// ([`f32_weights`](crate::f32_weights)).
    ///
    /// Opening reads what of the logs is not folded yet, and checks it.
    ///
    /// # Errors
    /// [`Error::Io`], also where another process has it open; [`Error::Damaged`] for a file that was cut off or altered;
    /// [`Error::Mismatch`] for a store of other rows or records.
    pub fn open(
        folder: impl Into<PathBuf>,
        rows: u64,
        layout: Layout,
        init: impl Fn(u64, &mut [u8]) + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        Self::on(&Arc::new(open(folder.into())?), "", (rows, layout), Init::new(init))
    }

    /// Checkpoints set a log aside from so many bytes on, to fold it into the base (256 MiB otherwise).
    #[must_use]
    pub fn fold_from(mut self, bytes: u64) -> Self {
        self.long = bytes;
        self
    }

    fn on(
        journal: &Arc<Journal>,
        name: &str,
        (rows, layout): (u64, Layout),
        init: Init,
    ) -> Result<Self, Error> {
        let found = journal.take(name)?;
        let made = Shared::open(journal, name, found, (rows, layout), init);
        // A table that there is gives its name back itself.
        let shared = Arc::new(made.inspect_err(|_| journal.give_back(name))?);
        let store = Self { shared, folding: Mutex::new(Folding::default()), long: LONG };
        locked(&store.folding).go_on(&store.shared)?;
        Ok(store)
    }
}

fn open(folder: PathBuf) -> Result<Journal, Error> {
    let what = format!("opening {}", folder.display());
    Journal::open(Arc::new(Folder::open(folder).map_err(Error::io(what))?))
}

/// Refuses a folder that has lost its manifest: what making a store leaves where it is interrupted is a log without entries.
fn refuse_remains(disk: &dyn Disk) -> Result<(), Error> {
    let reason =
        || "there are logs, but no manifest: bring it back, or choose an empty folder".into();
    for name in [log::name(0), log::name(1), folded::name(0)] {
        match disk.open(&name, false).and_then(|file| file.len()) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Ok(0) if name == log::name(0) => {}
            Ok(_) => return Err(Error::Damaged { file: disk.name(&name), reason: reason() }),
            Err(error) => return Err(Error::io(format!("opening {}", disk.name(&name)))(error)),
        }
    }
    Ok(())
}

/// Removes what a crash has left: what follows in the active log, a log that was not begun, one that is folded, and pages.
fn clear_up(disk: &dyn Disk, found: &Manifest) -> Result<(), Error> {
    let cleared = || {
        if let (Some(&(first, _)), Some(&(last, bytes))) = (found.logs.first(), found.logs.last()) {
            disk.open(&log::name(last), false)?.set_len(bytes)?;
            disk.remove(&log::name(last + 1))?;
            first.checked_sub(1).map_or(Ok(()), |old| disk.remove(&log::name(old)))?;
        }
        let number = found.folded.map(|pages| pages.number);
        disk.remove(&folded::name(number.map_or(0, |number| number + 1)))?;
        let old = number.and_then(|number| number.checked_sub(1));
        old.map_or(Ok(()), |old| disk.remove(&folded::name(old)))
    };
    cleared().map_err(Error::io(format!("clearing up {}", disk.name(""))))
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.journal.give_back(&self.name);
    }
}

impl Shared {
    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a table as its manifest says, or makes it.
    fn open(
        journal: &Arc<Journal>,
        name: &str,
        found: Option<Manifest>,
        (rows, layout): (u64, Layout),
        init: Init,
    ) -> Result<Self, Error> {
        let disk = Named::new(Arc::clone(&journal.disk), name);
        match &found {
            Some(found) => found.check(rows, layout)?,
            None => refuse_remains(&disk)?,
        }
        let base = Base::open(&disk, (rows, layout), init, found.is_none())?;
        let manifest = match found {
            Some(found) => found,
            None => {
                Log::new(&disk, 0)?;
                let made = Manifest::new(rows, layout);
                journal.publish(&[(name, &made)])?;
                made
            }
        };
        let mut logs = Vec::new();
        for &(number, bytes) in &manifest.logs {
            logs.push(Log::open(&disk, number, bytes, layout.bytes())?);
        }
        let folded = manifest.folded.map(|pages| Folded::read(&disk, pages)).transpose()?;
        clear_up(&disk, &manifest)?;
        // A manifest that passed its check has a log.
        let Some(active) = logs.pop() else {
            return Err(Error::Damaged { file: disk.name("manifest"), reason: "no log".into() });
        };
        let folded = folded.unwrap_or_default();
        Ok(Self {
            journal: Arc::clone(journal),
            name: name.into(),
            disk,
            rows,
            layout,
            base,
            state: RwLock::new(State { active, frozen: logs.pop(), folded }),
            append: Mutex::new(()),
            manifest: Mutex::new(Written { manifest, broken: false }),
        })
    }

    fn place(&self, row: u64) -> Place {
        let state = self.state();
        let logs = [Some(&state.active), state.frozen.as_ref()];
        let in_log = logs.into_iter().flatten().find_map(|log| {
            let at = log.places.get(&row)?;
            Some(Place::Log(log.number, Arc::clone(&log.file), *at))
        });
        let elsewhere = if state.folded.has(row) { Place::Base } else { Place::Nowhere };
        in_log.unwrap_or(elsewhere)
    }

    /// Puts a manifest in the place of the last one.
    fn publish(&self, written: &mut Written, next: Manifest) -> Result<(), Error> {
        self.journal.publish(&[(&self.name, &next)])?;
        written.manifest = next;
        Ok(())
    }
}

impl RowStore for FileStore {
    fn rows(&self) -> u64 {
        self.shared.rows
    }

    fn layout(&self) -> Layout {
        self.shared.layout
    }

    fn read(&self, rows: &[u64], records: &mut [u8]) -> Result<(), Error> {
        let shared = &self.shared;
        store::check(shared.layout, rows, records)?;
        for (&row, record) in rows.iter().zip(records.chunks_exact_mut(shared.layout.bytes())) {
            match shared.place(row) {
                Place::Log(log, file, at) => {
                    log::read(&shared.disk, (log, &*file), (row, at), record)?
                }
                Place::Base => shared.base.read(row, record)?,
                Place::Nowhere => shared.base.first(row, record),
            }
        }
        Ok(())
    }

    /// Appends to the log.
    fn write(&self, rows: &[u64], records: &[u8]) -> Result<(), Error> {
        let shared = &self.shared;
        store::check(shared.layout, rows, records)?;
        let _one = locked(&shared.append);
        let (number, file, begin) = {
            let Log { number, file, bytes, .. } = &shared.state().active;
            (*number, Arc::clone(file), *bytes)
        };
        let entries = log::entries(number, rows, records, shared.layout.bytes());
        // Of what fails, nothing is part of the log: the next write begins where this one did.
        file.write_at(&entries, begin).map_err(|error| {
            Error::io(format!("writing {}", shared.disk.name(&log::name(number))))(error)
        })?;
        let active = &mut shared.state_mut().active;
        active.bytes += entries.len() as u64;
        let each = log::entry_bytes(shared.layout.bytes());
        active.places.extend(rows.iter().copied().zip((begin..).step_by(each)));
        Ok(())
    }

    fn mark(&self) -> Option<Mark> {
        locked(&self.shared.manifest).manifest.mark()
    }
}

impl Durable for FileStore {
    /// Brings the log to the disk and replaces the manifest. A log that has grown long is then folded into the base by
    /// a thread; where that failed, the next checkpoint says so, before it does anything, and the one after it tries again.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Unsynced`] where an earlier one could not be brought to the disk;
    /// [`Error::Unsupported`] for a table of a group, whose tables are checkpointed together ([`FileGroup::checkpoint`]).
    fn checkpoint(&self, mark: Mark) -> Result<(), Error> {
        if !self.shared.name.is_empty() {
            let what = "a checkpoint of one table of a group";
            return Err(Error::Unsupported {
                what,
                remedy: "FileGroup::checkpoint takes them all",
            });
        }
        seal::checkpoint(&self.shared.journal, vec![self.seal(mark)?])
    }
}
