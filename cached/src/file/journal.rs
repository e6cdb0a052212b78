//! The manifests of all tables of a folder: a file of two lines, a checksum in hexadecimal and JSON, replaced by a rename. So
//! what changes of several tables changes at once.

use super::disk::Disk;
use super::manifest::Manifest;
use crate::Error;
use crate::threads::locked;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex};

const NAME: &str = "manifest";
const NEW: &str = "manifest.new";
const VERSION: u32 = 2;

/// Most bytes of one that is read.
const LONGEST: u64 = 1 << 26;

type Manifests = BTreeMap<String, Manifest>;

#[derive(Debug, Serialize, Deserialize)]
struct Version {
    version: u32,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u32,
    tables: Manifests,
}

/// A folder's.
#[derive(Debug)]
pub(super) struct Journal {
    pub disk: Arc<dyn Disk>,
    tables: Mutex<Tables>,
}

#[derive(Debug)]
struct Tables {
    manifests: Manifests,
    open: BTreeSet<String>,
    /// What was to bring a manifest to the disk has failed, so nobody knows which one a restart would find: neither may be
    /// replaced, nor may files that one of them names be changed.
    broken: bool,
}

impl Journal {
    pub fn open(disk: Arc<dyn Disk>) -> Result<Self, Error> {
        let manifests = read(&*disk)?;
        // A rename that one before could not bring to the disk is there from now on: what only an older manifest names may go.
        disk.sync().map_err(Error::io(format!("syncing {}", disk.name(NAME))))?;
        let tables = Tables { manifests, open: BTreeSet::new(), broken: false };
        Ok(Self { disk, tables: Mutex::new(tables) })
    }

    /// The manifest of a table, None where it is to be made; the table is open from now on.
    pub fn take(&self, name: &str) -> Result<Option<Manifest>, Error> {
        let mut tables = locked(&self.tables);
        tables.check(&*self.disk)?;
        let others = tables.manifests.keys().chain(&tables.open).filter(|other| *other != name);
        let shares = |other: &String| {
            // A table by itself has no name; and not every disk tells letters apart by their case.
            other.is_empty() || name.is_empty() || other.eq_ignore_ascii_case(name)
        };
        if others.into_iter().any(shares) {
            let what = "a table whose files another of the folder would share";
            let remedy =
                "give it another name, letters of either case being one; or another folder";
            return Err(Error::Unsupported { what, remedy });
        }
        if !tables.open.insert(name.into()) {
            let (what, remedy) = ("a table that is open already", "open each table once");
            return Err(Error::Unsupported { what, remedy });
        }
        Ok(tables.manifests.get(name).cloned())
    }

    /// The table is not open any more.
    pub fn give_back(&self, name: &str) {
        locked(&self.tables).open.remove(name);
    }

    /// The names of all tables.
    pub fn names(&self) -> Vec<String> {
        locked(&self.tables).manifests.keys().cloned().collect()
    }

    /// Refuses to go on where the folder must be opened anew.
    pub fn check(&self) -> Result<(), Error> {
        locked(&self.tables).check(&*self.disk)
    }

    /// Puts these manifests in the place of their last ones, all at once. Where it fails once they are written, it is the last
    /// time ([`Journal::check`]).
    pub fn publish(&self, changed: &[(&str, &Manifest)]) -> Result<(), Error> {
        let mut tables = locked(&self.tables);
        tables.check(&*self.disk)?;
        let mut next = tables.manifests.clone();
        next.extend(changed.iter().map(|&(name, manifest)| (name.into(), manifest.clone())));
        let published = write(&*self.disk, next).and_then(|next| {
            replace(&*self.disk).inspect_err(|_| tables.broken = true)?;
            Ok(next)
        });
        let failed = Error::io(format!("writing {}", self.disk.name(NAME)));
        tables.manifests = published.map_err(failed)?;
        Ok(())
    }
}

impl Tables {
    fn check(&self, disk: &dyn Disk) -> Result<(), Error> {
        match self.broken {
            true => Err(Error::Unsynced { file: disk.name(NAME) }),
            false => Ok(()),
        }
    }
}

fn read(disk: &dyn Disk) -> Result<Manifests, Error> {
    let name = disk.name(NAME);
    let read = disk.open(NAME, false).and_then(|file| {
        let mut bytes = vec![0; file.len()?.min(LONGEST) as usize];
        file.read_at(&mut bytes, 0)?;
        Ok(bytes)
    });
    let bytes = match read {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Manifests::new()),
        Err(error) => return Err(Error::io(format!("reading {name}"))(error)),
    };
    let damaged = |reason: &str| Error::Damaged { file: name.clone(), reason: reason.into() };
    let text = String::from_utf8(bytes).map_err(|_| damaged("it is no text"))?;
    let (crc, json) = text.split_once('\n').ok_or_else(|| damaged("it was cut off"))?;
    if crc != format!("{:08x}", crc32fast::hash(json.as_bytes())) {
        return Err(damaged("it was altered"));
    }
    let told = |error: serde_json::Error| damaged(&error.to_string());
    let Version { version } = serde_json::from_str(json).map_err(told)?;
    if version != VERSION {
        return Err(damaged(&format!("version {version}; this one reads {VERSION}")));
    }
    let written: Written = serde_json::from_str(json).map_err(told)?;
    Ok(written.tables)
}

/// Writes them beside those that are there, and gives them back.
fn write(disk: &dyn Disk, tables: Manifests) -> io::Result<Manifests> {
    let all = Written { version: VERSION, tables };
    let json = serde_json::to_string(&all).map_err(io::Error::from)?;
    let text = format!("{:08x}\n{json}", crc32fast::hash(json.as_bytes()));
    let file = disk.open(NEW, true)?;
    file.set_len(0)?;
    file.write_at(text.as_bytes(), 0)?;
    Ok(all.tables)
}

/// Puts what was written in the place of what was there.
fn replace(disk: &dyn Disk) -> io::Result<()> {
    disk.open(NEW, false)?.sync()?;
    // A log that it names may have been made just now.
    disk.sync()?;
    disk.rename(NEW, NAME)?;
    disk.sync()
}
