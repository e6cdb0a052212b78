//! What the last checkpoint is of: a file of two lines, a checksum in hexadecimal and JSON, replaced by a rename.

use super::disk::Disk;
use crate::{Error, Layout, Mark};
use serde::{Deserialize, Serialize};
use std::io::{self, ErrorKind};

const NAME: &str = "manifest";
const NEW: &str = "manifest.new";
const VERSION: u32 = 1;

/// Most bytes of one that is read.
const LONGEST: u64 = 1 << 24;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    version: u32,
    pub rows: u64,
    /// Bytes of weights, moments and row state.
    layout: [u32; 3],
    /// Steps, options and note.
    mark: Option<(u64, String, String)>,
    /// Number and bytes of each log, the newest last.
    pub logs: Vec<(u64, u64)>,
}

impl Manifest {
    pub fn new(rows: u64, layout: Layout, mark: Option<&Mark>, logs: Vec<(u64, u64)>) -> Self {
        let Layout { weights, moments, row_state } = layout;
        let mark = mark.map(|mark| (mark.steps, mark.options.clone(), mark.note.clone()));
        Self { version: VERSION, rows, layout: [weights, moments, row_state], mark, logs }
    }

    pub fn mark(&self) -> Option<Mark> {
        let (steps, options, note) = self.mark.clone()?;
        Some(Mark { steps, options, note })
    }

    /// Reads it; None where there is none.
    pub fn read(disk: &dyn Disk) -> Result<Option<Self>, Error> {
        let name = disk.name(NAME);
        let read = disk.open(NAME, false).and_then(|file| {
            let mut bytes = vec![0; file.len()?.min(LONGEST) as usize];
            file.read_at(&mut bytes, 0)?;
            Ok(bytes)
        });
        let bytes = match read {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io(format!("reading {name}"))(error)),
        };
        let damaged = |reason: &str| Error::Damaged { file: name.clone(), reason: reason.into() };
        let text = String::from_utf8(bytes).map_err(|_| damaged("it is no text"))?;
        let (crc, json) = text.split_once('\n').ok_or_else(|| damaged("it was cut off"))?;
        if crc != format!("{:08x}", crc32fast::hash(json.as_bytes())) {
            return Err(damaged("it was altered"));
        }
        let found: Self =
            serde_json::from_str(json).map_err(|error| damaged(&error.to_string()))?;
        if found.version > VERSION {
            let reason = format!("version {}; this one reads up to {VERSION}", found.version);
            return Err(damaged(&reason));
        }
        Ok(Some(found))
    }

    /// Checks that it is of these records.
    pub fn check(&self, rows: u64, layout: Layout) -> Result<(), Error> {
        let expected = Self::new(rows, layout, None, Vec::new());
        if (self.rows, self.layout) == (expected.rows, expected.layout) && !self.logs.is_empty() {
            return Ok(());
        }
        Err(Error::Mismatch {
            what: "rows and bytes of their parts",
            expected: format!("{rows}, {:?}", expected.layout),
            found: format!("{}, {:?}", self.rows, self.layout),
        })
    }

    /// Puts it in the place of the last.
    pub fn write(&self, disk: &dyn Disk) -> Result<(), Error> {
        let json = serde_json::to_string(self).map_err(io::Error::from);
        let written = json.and_then(|json| {
            let text = format!("{:08x}\n{json}", crc32fast::hash(json.as_bytes()));
            let file = disk.open(NEW, true)?;
            file.set_len(0)?;
            file.write_at(text.as_bytes(), 0)?;
            file.sync()?;
            // A log that it names may have been made just now.
            disk.sync()?;
            disk.rename(NEW, NAME)?;
            disk.sync()
        });
        written.map_err(Error::io(format!("writing {}", disk.name(NAME))))
    }
}
