//! A file replaced as a careful editor does it: never half, never lost.

use crate::tensor_file::{Fault, invalid};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// How the names of our temporary files begin and end; between them, process and number.
const BEGIN: &str = ".sparse-adam-";
const END: &str = ".tmp";

/// Bytes gathered before they are written.
const WINDOW: usize = 1 << 20;

/// Puts what `write` writes in place of the file at `path`. Any error leaves the old file.
pub(super) fn replace(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<&File>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let target = follow(path)?;
    let old = match fs::symlink_metadata(&target) {
        // What must not be written must not be replaced.
        Ok(old) if old.is_file() => Some(OpenOptions::new().write(true).open(&target)?.metadata()?),
        Ok(_) => return Err(invalid("target", "not a regular file; give the path of a file")),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    let folder = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // Where a folder may be entered but not listed, neither can be done.
    let opened = File::open(folder).ok();
    remove_stale(folder);
    let mut temporary = Temporary::create(folder, old.as_ref())?;
    let mut file = BufWriter::with_capacity(WINDOW, &temporary.file);
    write(&mut file)?;
    file.flush()?;
    drop(file);
    temporary.file.sync_all()?;
    temporary.rename(&target)?;
    opened.map_or(Ok(()), |folder| sync_folder(&folder))
}

/// Where a path leads through symbolic links, also where the last one leads nowhere.
fn follow(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_path_buf();
    for _ in 0..40 {
        match fs::read_link(&path) {
            // What is no link, or is missing.
            Err(_) => return Ok(path),
            Ok(link) => path = path.parent().unwrap_or(Path::new("")).join(link),
        }
    }
    Err(io::Error::other("more than 40 symbolic links"))
}

/// A file of ours, locked while it is written, and removed unless it was renamed.
struct Temporary {
    path: PathBuf,
    file: File,
    renamed: bool,
}

impl Temporary {
    fn create(folder: &Path, old: Option<&Metadata>) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!("{BEGIN}{}-{number}{END}", std::process::id()));
            let file = match create(&path, old) {
                // One that a process of our number left, or works on beside us.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                other => other?,
            };
            let temporary = Self { path, file, renamed: false };
            // Some file systems have no locks. There nobody takes ours for stale either.
            drop(temporary.file.lock());
            // Between creating and locking, another save may have taken it for stale.
            if fs::symlink_metadata(&temporary.path).is_ok() {
                keep_owner_and_mode(&temporary.file, old)?;
                return Ok(temporary);
            }
        }
    }

    fn rename(&mut self, target: &Path) -> io::Result<()> {
        fs::rename(&self.path, target)?;
        self.renamed = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.renamed {
            drop(fs::remove_file(&self.path));
        }
    }
}

/// Removes what killed saves left in a folder: files of our name that nobody holds a lock on.
fn remove_stale(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let ours = name.to_str().is_some_and(|name| name.starts_with(BEGIN) && name.ends_with(END));
        if !ours || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        // Held until the file is gone: its writer, if it locks only now, sees that it is.
        let Ok(file) = OpenOptions::new().read(true).write(true).open(entry.path()) else {
            continue;
        };
        if file.try_lock().is_ok() {
            drop(fs::remove_file(entry.path()));
        }
    }
}

/// A new file, with no more rights than the old one has.
#[cfg(unix)]
fn create(path: &Path, old: Option<&Metadata>) -> io::Result<File> {
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
    let mode = old.map_or(0o666, |old| old.mode() & 0o666);
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
}

#[cfg(not(unix))]
fn create(path: &Path, _: Option<&Metadata>) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// The old file's mode, past the umask, and its owner where we may give files away.
#[cfg(unix)]
fn keep_owner_and_mode(file: &File, old: Option<&Metadata>) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};
    let Some(old) = old else { return Ok(()) };
    let new = file.metadata()?;
    if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
        drop(fchown(file, Some(old.uid()), Some(old.gid())));
    }
    file.set_permissions(old.permissions())
}

#[cfg(not(unix))]
fn keep_owner_and_mode(_: &File, _: Option<&Metadata>) -> io::Result<()> {
    Ok(())
}

/// Brings a rename to the disk, where folders can be synced.
fn sync_folder(folder: &File) -> Result<(), Fault> {
    match folder.sync_all() {
        Err(error) if !matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {
            let told =
                format!("the new file is there, but its folder could not be synced: {error}");
            Err(io::Error::new(error.kind(), told).into())
        }
        _ => Ok(()),
    }
}
