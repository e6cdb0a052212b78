//! The base: a sparse file with a place for each row, `[record, crc32 u32]`. A row that was never folded into it takes no
//! room; which ones were is told apart from it (`folded`).

use super::disk::{Bytes, Disk};
use crate::Error;
use crate::Layout;
use crate::store::Init;
use std::sync::Arc;

pub(super) const NAME: &str = "base";

#[derive(Debug)]
pub(super) struct Base {
    file: Arc<dyn Bytes>,
    layout: Layout,
    init: Init,
    name: String,
}

/// The checksum of a record in a row's place; never 0, which a hole has.
fn crc(row: u64, record: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&row.to_le_bytes());
    crc.update(record);
    crc.finalize().max(1)
}

impl Base {
    /// Opens it, or makes an empty one for so many rows.
    pub fn open(
        disk: &dyn Disk,
        (rows, layout): (u64, Layout),
        init: Init,
        make: bool,
    ) -> Result<Self, Error> {
        let name = disk.name(NAME);
        let bytes = rows.saturating_mul(layout.bytes() as u64 + 4);
        let opened = disk.open(NAME, make).and_then(|file| {
            if make {
                file.set_len(0)?;
                file.set_len(bytes)?;
                file.sync()?;
            }
            Ok((file.len()?, file))
        });
        let (found, file) = opened.map_err(Error::io(format!("opening {name}")))?;
        if found != bytes {
            let reason = format!("it has {found} bytes, its rows have {bytes}");
            return Err(Error::Damaged { file: name, reason });
        }
        Ok(Self { file, layout, init, name })
    }

    fn place(&self, row: u64) -> u64 {
        row * (self.layout.bytes() as u64 + 4)
    }

    /// Makes the first record of a row that is not there.
    pub fn first(&self, row: u64, record: &mut [u8]) {
        self.init.record(self.layout, row, record);
    }

    /// Reads the record of a row that is there.
    pub fn read(&self, row: u64, record: &mut [u8]) -> Result<(), Error> {
        let mut held = vec![0; record.len() + 4];
        let read = self.file.read_at(&mut held, self.place(row));
        read.map_err(|error| Error::io(format!("reading {}", self.name))(error))?;
        let (held, found) = held.split_at(record.len());
        if found == crc(row, held).to_le_bytes() {
            record.copy_from_slice(held);
            return Ok(());
        }
        let is_gone = found == [0; 4] && held.iter().all(|&byte| byte == 0);
        let what = if is_gone { "is gone: there are zeros" } else { "was altered" };
        let reason = format!("the record of row {row} {what}");
        Err(Error::Damaged { file: self.name.clone(), reason })
    }

    /// Writes a row's record.
    pub fn write(&self, row: u64, record: &[u8]) -> Result<(), Error> {
        let bytes = [record, &crc(row, record).to_le_bytes()].concat();
        let written = self.file.write_at(&bytes, self.place(row));
        written.map_err(|error| Error::io(format!("writing {}", self.name))(error))
    }

    pub fn sync(&self) -> Result<(), Error> {
        self.file.sync().map_err(|error| Error::io(format!("syncing {}", self.name))(error))
    }
}
