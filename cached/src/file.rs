//! A table in files: a base, a log of what was written since, and a manifest that says what of the log is part of the
//! last checkpoint.
//!
//! The base holds no row as it was after the last checkpoint, so a crash at any byte leaves that whole: what follows in the log
//! is ignored. When a checkpoint finds the log long, the log is set aside and folded into the base by a thread; until
//! the base is synced and a manifest without the old log is there, reads and restarts go by the log.

mod base;
mod compact;
mod disk;
mod log;
mod manifest;
#[cfg(test)]
mod ram;
#[cfg(test)]
mod tests;

use crate::store::{self, Init};
use crate::threads::locked;
use crate::{Durable, Error, Layout, Mark, RowStore};
use base::Base;
use compact::Folding;
use disk::{Bytes, Disk, Folder};
use log::Log;
use manifest::Manifest;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Bytes of a log from which on a checkpoint sets it aside.
const LONG: u64 = 256 << 20;

/// A table in a folder. Rows that were never written take no room, whatever their number.
///
/// Files: `base`, sparse, a place for each row; `log.N`; `manifest`; `lock`, which keeps other processes out. While rows are
/// dirty, some 40 bytes of host memory for each are held: where the log has it.
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
    disk: Box<dyn Disk>,
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
}

/// What the manifest says.
#[derive(Debug)]
struct Written {
    mark: Option<Mark>,
    logs: Vec<(u64, u64)>,
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
        let folder = folder.into();
        let what = format!("opening {}", folder.display());
        let disk = Folder::open(folder).map_err(Error::io(what))?;
        Self::on(Box::new(disk), rows, layout, Init::new(init))
    }

    /// Checkpoints set a log aside from so many bytes on, to fold it into the base (256 MiB otherwise).
    #[must_use]
    pub fn fold_from(mut self, bytes: u64) -> Self {
        self.long = bytes;
        self
    }

    fn on(disk: Box<dyn Disk>, rows: u64, layout: Layout, init: Init) -> Result<Self, Error> {
        let found = Manifest::read(&*disk)?;
        if let Some(found) = &found {
            found.check(rows, layout)?;
        }
        if found.is_none() {
            refuse_remains(&*disk)?;
        }
        let base = Base::open(&*disk, (rows, layout), init, found.is_none())?;
        let found = match found {
            Some(found) => found,
            None => {
                Log::new(&*disk, 0)?;
                let made = Manifest::new(rows, layout, None, vec![(0, 0)]);
                made.write(&*disk)?;
                made
            }
        };
        let mut logs = Vec::new();
        for &(number, bytes) in &found.logs {
            logs.push(Log::open(&*disk, number, bytes, layout.bytes())?);
        }
        clear_up(&*disk, &found)?;
        let (mark, logs_written) = (found.mark(), found.logs);
        // A manifest that passed its check has a log.
        let Some(active) = logs.pop() else {
            return Err(Error::Damaged { file: disk.name("manifest"), reason: "no log".into() });
        };
        let written = Written { mark, logs: logs_written, broken: false };
        let state = RwLock::new(State { active, frozen: logs.pop() });
        let (append, manifest) = (Mutex::new(()), Mutex::new(written));
        let shared = Arc::new(Shared { disk, rows, layout, base, state, append, manifest });
        let folding = Mutex::new(Folding::default());
        let store = Self { shared, folding, long: LONG };
        locked(&store.folding).go_on(&store.shared)?;
        Ok(store)
    }
}

/// Refuses a folder that has lost its manifest: what making a store leaves where it is interrupted is a log without entries.
fn refuse_remains(disk: &dyn Disk) -> Result<(), Error> {
    let reason =
        || "there are logs, but no manifest: bring it back, or choose an empty folder".into();
    for number in 0..2 {
        let name = log::name(number);
        match disk.open(&name, false).and_then(|file| file.len()) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Ok(0) if number == 0 => {}
            Ok(_) => return Err(Error::Damaged { file: disk.name(&name), reason: reason() }),
            Err(error) => return Err(Error::io(format!("opening {}", disk.name(&name)))(error)),
        }
    }
    Ok(())
}

/// Removes what a crash has left: what follows in the active log, a log that was not begun, one that is folded.
fn clear_up(disk: &dyn Disk, found: &Manifest) -> Result<(), Error> {
    let (first, last) = (found.logs.first(), found.logs.last());
    let cleared = first.zip(last).map_or(Ok(()), |(&(first, _), &(last, bytes))| {
        disk.open(&log::name(last), false)?.set_len(bytes)?;
        disk.remove(&log::name(last + 1))?;
        first.checked_sub(1).map_or(Ok(()), |folded| disk.remove(&log::name(folded)))
    });
    cleared.map_err(Error::io(format!("clearing up {}", disk.name(""))))
}

impl Shared {
    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a row's last record is; None: in the base.
    fn place(&self, row: u64) -> Option<(u64, Arc<dyn Bytes>, u64)> {
        let state = self.state();
        let logs = [Some(&state.active), state.frozen.as_ref()];
        logs.into_iter().flatten().find_map(|log| {
            let at = log.places.get(&row)?;
            Some((log.number, Arc::clone(&log.file), *at))
        })
    }

    /// Writes a manifest of these logs.
    fn publish(
        &self,
        written: &mut Written,
        mark: Option<Mark>,
        logs: Vec<(u64, u64)>,
    ) -> Result<(), Error> {
        let manifest = Manifest::new(self.rows, self.layout, mark.as_ref(), logs);
        manifest.write(&*self.disk)?;
        (written.mark, written.logs) = (mark, manifest.logs);
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
                None => shared.base.read(row, record)?,
                Some((log, file, at)) => {
                    log::read(&*shared.disk, (log, &*file), (row, at), record)?
                }
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
        locked(&self.shared.manifest).mark.clone()
    }
}

impl Durable for FileStore {
    /// Brings the log to the disk and replaces the manifest. A log that has grown long is then folded into the base by
    /// a thread; where that failed, the next checkpoint says so, before it does anything, and the one after it tries again.
    fn checkpoint(&self, mark: Mark) -> Result<(), Error> {
        let mut folding = locked(&self.folding);
        folding.verdict()?;
        let shared = &self.shared;
        let _none = locked(&shared.append);
        let mut written = locked(&shared.manifest);
        let (number, file, bytes, frozen) = {
            let State { active, frozen } = &*shared.state();
            let frozen = frozen.as_ref().map(|log| (log.number, log.bytes));
            (active.number, Arc::clone(&active.file), active.bytes, frozen)
        };
        let name = || shared.disk.name(&log::name(number));
        if written.broken {
            let reason = "an earlier sync of it failed: open the store anew";
            return Err(Error::Damaged { file: name(), reason: reason.into() });
        }
        if let Err(error) = file.sync().and_then(|()| shared.disk.sync()) {
            written.broken = true;
            return Err(Error::io(format!("syncing {}", name()))(error));
        }
        let logs = frozen.into_iter().chain([(number, bytes)]).collect();
        shared.publish(&mut written, Some(mark), logs)?;
        drop(written);
        if bytes >= self.long && frozen.is_none() {
            folding.begin(shared)?;
        }
        folding.go_on(shared)
    }
}
