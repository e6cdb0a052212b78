//! A disk in memory that remembers what was done to it, so that a crash can be had at any of it, and that may be full
//! or read-only.

use super::disk::{Bytes, Disk};
use crate::threads::locked;
use sparse_adam_testkit::Rng;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex};

/// What was done, to files by number.
#[derive(Clone, Debug)]
enum Done {
    Made(String, usize),
    Renamed(String, String),
    Removed(String),
    FolderSynced,
    Written(usize, u64, Vec<u8>),
    Cut(usize, u64),
    Synced(usize),
}

#[derive(Debug, Default)]
struct Inside {
    names: BTreeMap<String, usize>,
    files: Vec<Vec<u8>>,
    done: Vec<Done>,
    /// What may still be written, in bytes; None: anything.
    room: Option<usize>,
    read_only: bool,
    /// Which of the syncs to come fails; None: none of them.
    failing_sync: Option<usize>,
}

impl Inside {
    /// A sync, of which `done` tells, unless it is the one that fails.
    fn sync(&mut self, done: Done) -> io::Result<()> {
        let fails = self.failing_sync == Some(0);
        self.failing_sync = self.failing_sync.and_then(|left| left.checked_sub(1));
        if fails {
            return Err(io::Error::other("the disk does not answer"));
        }
        self.done.push(done);
        Ok(())
    }
}

/// The disk. A clone is another handle.
#[derive(Clone, Debug, Default)]
pub(super) struct Ram(Arc<Mutex<Inside>>);

#[derive(Debug)]
struct RamFile(Arc<Mutex<Inside>>, usize);

impl Ram {
    /// How much was done.
    pub fn done(&self) -> usize {
        locked(&self.0).done.len()
    }

    /// Leaves room for so many bytes more.
    pub fn leave(&self, room: Option<usize>) {
        locked(&self.0).room = room;
    }

    /// Has a sync fail once, behind so many that do not.
    pub fn fail_sync(&self, behind: usize) {
        locked(&self.0).failing_sync = Some(behind);
    }

    pub fn set_read_only(&self, read_only: bool) {
        locked(&self.0).read_only = read_only;
    }

    /// Changes a byte of a file.
    pub fn alter(&self, name: &str, at: usize) {
        let mut inside = locked(&self.0);
        let file = inside.names[name];
        inside.files[file][at] ^= 0x10;
    }

    /// Leaves zeros in the place of bytes of a file.
    pub fn punch(&self, name: &str, bytes: std::ops::Range<usize>) {
        let mut inside = locked(&self.0);
        let file = inside.names[name];
        let end = bytes.end.max(inside.files[file].len());
        inside.files[file].resize(end, 0);
        inside.files[file][bytes].fill(0);
    }

    /// Cuts a file off.
    pub fn cut(&self, name: &str, bytes: usize) {
        let mut inside = locked(&self.0);
        let file = inside.names[name];
        inside.files[file].truncate(bytes);
    }

    pub fn len(&self, name: &str) -> usize {
        let inside = locked(&self.0);
        inside.files[inside.names[name]].len()
    }

    /// What a crash after the first `done` calls may leave: of what was written since a file's last sync, each write may be
    /// there, not, or in part; of what was done to the folder since its last sync, the first few.
    pub fn crashed(&self, done: usize, rng: &mut Rng) -> Self {
        let inside = locked(&self.0);
        let done = &inside.done[..done];
        let synced = |file: usize| {
            done.iter().rposition(|did| matches!(did, Done::Synced(of) if *of == file)).unwrap_or(0)
        };
        let folder = done.iter().rposition(|did| matches!(did, Done::FolderSynced)).unwrap_or(0);
        let last_of_folder = folder + rng.below(done.len() - folder + 1);
        let mut left = Inside { files: vec![Vec::new(); inside.files.len()], ..Inside::default() };
        for (at, did) in done.iter().enumerate() {
            match did {
                Done::Written(file, offset, bytes) => {
                    let bytes = match (at >= synced(*file), rng.below(3)) {
                        (true, 0) => continue,
                        (true, 1) => &bytes[..rng.below(bytes.len() + 1)],
                        _ => &bytes[..],
                    };
                    put(&mut left.files[*file], *offset, bytes);
                }
                Done::Cut(file, bytes) => left.files[*file].resize(*bytes as usize, 0),
                Done::Synced(_) | Done::FolderSynced => {}
                _ if at > last_of_folder => {}
                Done::Made(name, file) => drop(left.names.insert(name.clone(), *file)),
                Done::Removed(name) => drop(left.names.remove(name)),
                Done::Renamed(from, to) => {
                    if let Some(file) = left.names.remove(from) {
                        left.names.insert(to.clone(), file);
                    }
                }
            }
        }
        // It begins anew: what is there now is on the disk.
        for (file, bytes) in left.files.iter().enumerate() {
            left.done.push(Done::Written(file, 0, bytes.clone()));
        }
        let made = left.names.iter().map(|(name, file)| Done::Made(name.clone(), *file));
        let made: Vec<_> = made.collect();
        left.done.extend(made);
        left.done.extend((0..left.files.len()).map(Done::Synced).chain([Done::FolderSynced]));
        Self(Arc::new(Mutex::new(left)))
    }
}

fn put(file: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let end = offset as usize + bytes.len();
    if file.len() < end {
        file.resize(end, 0);
    }
    file[offset as usize..end].copy_from_slice(bytes);
}

impl Disk for Ram {
    fn open(&self, name: &str, make: bool) -> io::Result<Arc<dyn Bytes>> {
        let mut inside = locked(&self.0);
        if inside.read_only {
            return Err(ErrorKind::ReadOnlyFilesystem.into());
        }
        let found = inside.names.get(name).copied();
        let file = match found {
            Some(file) => file,
            None if !make => return Err(ErrorKind::NotFound.into()),
            None => {
                let file = inside.files.len();
                inside.files.push(Vec::new());
                inside.names.insert(name.into(), file);
                inside.done.push(Done::Made(name.into(), file));
                file
            }
        };
        Ok(Arc::new(RamFile(Arc::clone(&self.0), file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut inside = locked(&self.0);
        let file = inside.names.remove(from).ok_or(ErrorKind::NotFound)?;
        inside.names.insert(to.into(), file);
        inside.done.push(Done::Renamed(from.into(), to.into()));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut inside = locked(&self.0);
        inside.names.remove(name);
        inside.done.push(Done::Removed(name.into()));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        locked(&self.0).sync(Done::FolderSynced)
    }

    fn name(&self, file: &str) -> String {
        format!("ram/{file}")
    }
}

impl Bytes for RamFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let inside = locked(&self.0);
        let held = inside.files[self.1].get(offset as usize..).unwrap_or_default();
        let held = held.get(..bytes.len()).ok_or(ErrorKind::UnexpectedEof)?;
        bytes.copy_from_slice(held);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut inside = locked(&self.0);
        let fits = inside.room.map_or(bytes.len(), |room| room.min(bytes.len()));
        inside.room = inside.room.map(|room| room - fits);
        put(&mut inside.files[self.1], offset, &bytes[..fits]);
        inside.done.push(Done::Written(self.1, offset, bytes[..fits].to_vec()));
        if fits < bytes.len() { Err(ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn len(&self) -> io::Result<u64> {
        Ok(locked(&self.0).files[self.1].len() as u64)
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        let mut inside = locked(&self.0);
        inside.files[self.1].resize(bytes as usize, 0);
        inside.done.push(Done::Cut(self.1, bytes));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        locked(&self.0).sync(Done::Synced(self.1))
    }
}
