//! What a store asks of a file system, so that tests can put another in its place.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;

/// A folder.
pub(super) trait Disk: Debug + Send + Sync {
    /// Opens a file to read and write, and makes it where it is missing if `make` says so.
    fn open(&self, name: &str, make: bool) -> io::Result<Arc<dyn Bytes>>;
    /// Puts a file in the place of another.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file, if it is there.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Brings which files there are to the disk.
    fn sync(&self) -> io::Result<()>;
    /// What it is called in errors.
    fn name(&self, file: &str) -> String;
}

/// A file.
pub(super) trait Bytes: Debug + Send + Sync {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    fn len(&self) -> io::Result<u64>;
    fn set_len(&self, bytes: u64) -> io::Result<()>;
    /// Brings its contents to the disk.
    fn sync(&self) -> io::Result<()>;
}

/// The files of one table of a folder: theirs begin with its name and a dot.
#[derive(Debug)]
pub(super) struct Named {
    disk: Arc<dyn Disk>,
    prefix: String,
}

impl Named {
    /// A table without a name has files without a prefix.
    pub fn new(disk: Arc<dyn Disk>, table: &str) -> Self {
        let prefix = if table.is_empty() { String::new() } else { format!("{table}.") };
        Self { disk, prefix }
    }

    fn file(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

impl Disk for Named {
    fn open(&self, name: &str, make: bool) -> io::Result<Arc<dyn Bytes>> {
        self.disk.open(&self.file(name), make)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(&self.file(from), &self.file(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(&self.file(name))
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.sync()
    }

    fn name(&self, file: &str) -> String {
        self.disk.name(&self.file(file))
    }
}

/// A folder of the system.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Locked, so that no other process opens the store; the system lets go of it whatever ends this one.
    _lock: File,
}

impl Folder {
    /// A folder, made where it is missing.
    pub fn open(path: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&path)?;
        let lock = path.join("lock");
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(lock)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(fs::TryLockError::WouldBlock) => {
                Err(io::Error::new(ErrorKind::ResourceBusy, "another store has it open"))
            }
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Disk for Folder {
    fn open(&self, name: &str, make: bool) -> io::Result<Arc<dyn Bytes>> {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(make).truncate(false);
        Ok(Arc::new(options.open(self.path.join(name))?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path.join(name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    fn sync(&self) -> io::Result<()> {
        // Elsewhere a folder cannot be opened as a file, and a rename is on the disk when it returns.
        if cfg!(unix) { File::open(&self.path)?.sync_all() } else { Ok(()) }
    }

    fn name(&self, file: &str) -> String {
        self.path.join(file).display().to_string()
    }
}

impl Bytes for File {
    #[cfg(unix)]
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, bytes, offset)
    }

    #[cfg(unix)]
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(self, bytes, offset)
    }

    #[cfg(windows)]
    fn read_at(&self, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let read = std::os::windows::fs::FileExt::seek_read(self, bytes, offset)?;
            if read == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            (bytes, offset) = (&mut bytes[read..], offset + read as u64);
        }
        Ok(())
    }

    #[cfg(windows)]
    fn write_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = std::os::windows::fs::FileExt::seek_write(self, bytes, offset)?;
            (bytes, offset) = (&bytes[written..], offset + written as u64);
        }
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        File::set_len(self, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_all()
    }
}
