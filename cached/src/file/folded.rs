//! Which rows the base has, a bit each: what is gone of it is not taken for what never was there.
//!
//! A file of pages, `[number u64, 32,768 bits]` each, only those in which a bit is set. It is written anew, under a new number, where a
//! log has been folded, and never changed: the manifest has its checksum.

use super::disk::Disk;
use crate::Error;
use crate::plan::Map;
use serde::{Deserialize, Serialize};

/// Words of a page, and bits.
const WORDS: usize = 512;
const BITS: u64 = 64 * WORDS as u64;
/// Bytes of a page in a file.
const BYTES: usize = 8 + 8 * WORDS;

/// A file of pages, as it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pages {
    pub number: u64,
    bytes: u64,
    crc: u32,
}

/// A set of rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Folded {
    pages: Map<u64, Box<[u64]>>,
}

/// The name of a file.
pub(super) fn name(number: u64) -> String {
    format!("folded.{number}")
}

impl Folded {
    pub fn has(&self, row: u64) -> bool {
        let page = self.pages.get(&(row / BITS));
        page.is_some_and(|page| page[(row % BITS / 64) as usize] & (1 << (row % 64)) != 0)
    }

    /// Adds rows; whether any of them is new.
    pub fn extend(&mut self, rows: impl Iterator<Item = u64>) -> bool {
        let mut any = false;
        for row in rows {
            let page = self.pages.entry(row / BITS).or_insert_with(|| Box::new([0; WORDS]));
            let (word, bit) = (&mut page[(row % BITS / 64) as usize], 1 << (row % 64));
            any |= *word & bit == 0;
            *word |= bit;
        }
        any
    }

    /// Writes the file of a number, and brings it to the disk.
    pub fn write(&self, disk: &dyn Disk, number: u64) -> Result<Pages, Error> {
        let mut numbers: Vec<_> = self.pages.keys().copied().collect();
        numbers.sort_unstable();
        let mut crc = crc32fast::Hasher::new();
        let written = disk.open(&name(number), true).and_then(|file| {
            file.set_len(0)?;
            for (at, number) in (0..).step_by(BYTES).zip(&numbers) {
                let words = [*number].into_iter().chain(self.pages[number].iter().copied());
                let page: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
                crc.update(&page);
                file.write_at(&page, at)?;
            }
            file.sync()
        });
        written.map_err(Error::io(format!("writing {}", disk.name(&name(number)))))?;
        Ok(Pages { number, bytes: (BYTES * numbers.len()) as u64, crc: crc.finalize() })
    }

    /// Reads a file.
    pub fn read(disk: &dyn Disk, told: Pages) -> Result<Self, Error> {
        let file_name = disk.name(&name(told.number));
        let reading = || Error::io(format!("reading {file_name}"));
        let file = disk.open(&name(told.number), false).map_err(reading())?;
        let damaged = |reason: String| Error::Damaged { file: file_name.clone(), reason };
        let found = file.len().map_err(reading())?;
        if found != told.bytes || !found.is_multiple_of(BYTES as u64) {
            return Err(damaged(format!("it has {found} bytes of {}", told.bytes)));
        }
        let (mut crc, mut pages) = (crc32fast::Hasher::new(), Map::default());
        let mut page = [0; BYTES];
        for at in (0..found).step_by(BYTES) {
            file.read_at(&mut page, at).map_err(reading())?;
            crc.update(&page);
            let mut words = page
                .chunks_exact(8)
                .map(|word| u64::from_le_bytes(std::array::from_fn(|byte| word[byte])));
            let number = words.next().unwrap_or_default();
            pages.insert(number, words.collect());
        }
        match crc.finalize() == told.crc {
            true => Ok(Self { pages }),
            false => Err(damaged("it was altered".into())),
        }
    }
}
