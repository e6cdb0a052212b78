//! A table in host memory.

use crate::store::{self, Init};
use crate::{Error, Layout, RowStore};
use std::sync::{PoisonError, RwLock};

/// Rows that are made and locked together.
const BLOCK: u64 = 256;

/// A table in host memory, made block by block when rows of it are first written: records of 256 rows, and 40 bytes for
/// each block that may come.
///
/// It is gone with the process: [`CachedTable::export`](crate::CachedTable::export) saves it.
#[derive(Debug)]
pub struct MemoryStore {
    rows: u64,
    layout: Layout,
    init: Init,
    /// Records of `BLOCK` rows each, none where none of them was written.
    blocks: Vec<RwLock<Vec<u8>>>,
}

impl MemoryStore {
    /// A table of `rows` rows whose weights are zeros.
    pub fn zeroed(rows: u64, layout: Layout) -> Self {
        Self::new(rows, layout, |_, _| {})
    }

    /// A table of `rows` rows whose weights `init` makes: given a row's number and its zeroed bytes. It must give a row
    /// the same bytes every time ([`f32_weights`](crate::f32_weights)).
    pub fn new(
        rows: u64,
        layout: Layout,
        init: impl Fn(u64, &mut [u8]) + Send + Sync + 'static,
    ) -> Self {
        let blocks = (0..rows.div_ceil(BLOCK)).map(|_| RwLock::default()).collect();
        Self { rows, layout, init: Init::new(init), blocks }
    }

    /// The block of a row, and where in it the row's record begins, in bytes.
    fn place(&self, row: u64) -> (&RwLock<Vec<u8>>, usize) {
        (&self.blocks[(row / BLOCK) as usize], (row % BLOCK) as usize * self.layout.bytes())
    }
}

impl RowStore for MemoryStore {
    fn rows(&self) -> u64 {
        self.rows
    }

    fn layout(&self) -> Layout {
        self.layout
    }

    fn read(&self, rows: &[u64], records: &mut [u8]) -> Result<(), Error> {
        let bytes = self.layout.bytes();
        store::check(self.layout, rows, records)?;
        for (&row, record) in rows.iter().zip(records.chunks_exact_mut(bytes)) {
            let (block, at) = self.place(row);
            let block = block.read().unwrap_or_else(PoisonError::into_inner);
            match block.get(at..at + bytes) {
                Some(held) => record.copy_from_slice(held),
                None => self.init.record(self.layout, row, record),
            }
        }
        Ok(())
    }

    fn write(&self, rows: &[u64], records: &[u8]) -> Result<(), Error> {
        let bytes = self.layout.bytes();
        store::check(self.layout, rows, records)?;
        for (&row, record) in rows.iter().zip(records.chunks_exact(bytes)) {
            let (block, at) = self.place(row);
            let mut block = block.write().unwrap_or_else(PoisonError::into_inner);
            if block.is_empty() {
                let mut made = vec![0; BLOCK as usize * bytes];
                let first = row - row % BLOCK;
                for (row, record) in (first..self.rows).zip(made.chunks_exact_mut(bytes)) {
                    self.init.record(self.layout, row, record);
                }
                *block = made;
            }
            block[at..at + bytes].copy_from_slice(record);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::f32_weights;

    #[test]
    fn rows_are_made_when_they_are_first_seen() {
        let layout = Layout::f32(2).unwrap();
        let store = MemoryStore::new(700, layout, f32_weights(|row, w| w.fill(row as f32)));
        let mut records = vec![0; 3 * 24];
        store.write(&[699], &[9; 24]).unwrap();
        store.read(&[3, 698, 699], &mut records).unwrap();
        assert_eq!(
            bytemuck::pod_read_unaligned::<[f32; 6]>(&records[..24]),
            [3., 3., 0., 0., 0., 0.]
        );
        assert_eq!(bytemuck::pod_read_unaligned::<[f32; 2]>(&records[24..32]), [698.0; 2]);
        assert_eq!(records[48..], [9; 24]);
    }
}
