//! A log: records behind one another, each `[row u64, record, crc32 u32]`, and where the last one of each row is.

use super::disk::{Bytes, Disk};
use crate::Error;
use crate::plan::Map;
use std::sync::Arc;

/// Bytes that are read at once when a log is opened.
const PIECE: usize = 1 << 20;

/// A log of a number.
#[derive(Clone, Debug)]
pub(super) struct Log {
    pub number: u64,
    pub file: Arc<dyn Bytes>,
    /// Bytes that are part of it.
    pub bytes: u64,
    /// Where each row's last record begins.
    pub places: Map<u64, u64>,
}

/// The name of a log's file.
pub(super) fn name(number: u64) -> String {
    format!("log.{number}")
}

/// Bytes of an entry whose record has so many.
pub(super) fn entry_bytes(record: usize) -> usize {
    8 + record + 4
}

/// The checksum of an entry, which is of one log: a file in another's place is noticed.
fn crc(number: u64, row_and_record: &[u8]) -> [u8; 4] {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&number.to_le_bytes());
    crc.update(row_and_record);
    crc.finalize().to_le_bytes()
}

/// The entries of rows and their records.
pub(super) fn entries(number: u64, rows: &[u64], records: &[u8], record: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(rows.len() * entry_bytes(record));
    for (row, record) in rows.iter().zip(records.chunks_exact(record)) {
        let begin = bytes.len();
        bytes.extend(row.to_le_bytes());
        bytes.extend_from_slice(record);
        let crc = crc(number, &bytes[begin..]);
        bytes.extend(crc);
    }
    bytes
}

/// The row of an entry, and its record, if the entry is whole.
fn checked(number: u64, entry: &[u8]) -> Option<(u64, &[u8])> {
    let (held, found) = entry.split_last_chunk::<4>()?;
    let (row, record) = held.split_first_chunk::<8>()?;
    (crc(number, held) == *found).then_some((u64::from_le_bytes(*row), record))
}

impl Log {
    /// A new, empty log.
    pub fn new(disk: &dyn Disk, number: u64) -> Result<Self, Error> {
        let file = disk.open(&name(number), true).and_then(|file| {
            file.set_len(0)?;
            Ok(file)
        });
        let file = file.map_err(Error::io(format!("making {}", disk.name(&name(number)))))?;
        Ok(Self { number, file, bytes: 0, places: Map::default() })
    }

    /// A log that is there, of which `bytes` are part: every one of them is checked.
    pub fn open(disk: &dyn Disk, number: u64, bytes: u64, record: usize) -> Result<Self, Error> {
        let name = disk.name(&name(number));
        let file = disk.open(&self::name(number), false);
        let file = file.map_err(Error::io(format!("opening {name}")))?;
        let reading = || Error::io(format!("reading {name}"));
        let entry = entry_bytes(record);
        let found = file.len().map_err(reading())?;
        let damaged = |reason: String| Error::Damaged { file: name.clone(), reason };
        if found < bytes || !bytes.is_multiple_of(entry as u64) {
            return Err(damaged(format!(
                "it has {found} bytes, the last checkpoint {bytes} of it, {entry} each entry"
            )));
        }
        let mut places = Map::default();
        let mut piece = vec![0; (PIECE / entry).max(1) * entry];
        for begin in (0..bytes).step_by(piece.len()) {
            let left = (bytes - begin).min(piece.len() as u64) as usize;
            let piece = &mut piece[..left];
            file.read_at(piece, begin).map_err(reading())?;
            for (at, held) in (begin..).step_by(entry).zip(piece.chunks_exact(entry)) {
                let (row, _) = checked(number, held)
                    .ok_or_else(|| damaged(format!("the entry at byte {at} was altered")))?;
                places.insert(row, at);
            }
        }
        Ok(Self { number, file, bytes, places })
    }
}

/// Reads an entry into a record.
pub(super) fn read(
    disk: &dyn Disk,
    (number, file): (u64, &dyn Bytes),
    (row, at): (u64, u64),
    record: &mut [u8],
) -> Result<(), Error> {
    let mut entry = vec![0; entry_bytes(record.len())];
    let name = || disk.name(&name(number));
    let found = file.read_at(&mut entry, at);
    found.map_err(|error| Error::io(format!("reading {}", name()))(error))?;
    match checked(number, &entry) {
        Some((found, held)) if found == row => {
            record.copy_from_slice(held);
            Ok(())
        }
        _ => Err(Error::Damaged {
            file: name(),
            reason: format!("the entry of row {row} at byte {at} was altered"),
        }),
    }
}
