//! Rows that are behind, brought up to date through the cache.

use super::CachedTable;
use crate::{Error, RowStore};
use sparse_adam::{CatchUp, SparseAdam};

/// Bytes of records that are looked through at once.
const PIECE: usize = 16 << 20;

impl<S: RowStore> CachedTable<S> {
    /// Brings every row of the table up to the steps that its parameter has counted, where the options have a
    /// [`CatchUp`]: what [`SparseAdam::flush`] does to a resident table, with the same bits. All steps must have been
    /// submitted. The store is read through, and each row that a step has ever named comes through the cache; it has them
    /// then as they are. Plans made before are stale. Without a `CatchUp` it only flushes.
    ///
    /// [`SparseAdam::flush`] itself reaches the rows in the cache alone, which is noticed ([`Error::FlushedAlone`]); what else
    /// the optimizer has takes [`SparseAdam::flush_param`].
    ///
    /// # Errors
    /// As [`CachedTable::flush`] and [`CachedTable::load`]. Some rows may be up to date then and others not: the next call brings
    /// the rest, as long as no step comes between.
    pub fn catch_up(&mut self, adam: &mut SparseAdam) -> Result<(), Error> {
        self.flush(adam)?;
        if adam.options(adam.group_of(self.param)?)?.catch_up == CatchUp::Never {
            return Ok(());
        }
        let (record, rows) = (self.layout().bytes(), self.store.rows());
        let mut records = Vec::new();
        for first in (0..rows).step_by((PIECE / record).max(1)) {
            let piece: Vec<u64> = (first..rows).take((PIECE / record).max(1)).collect();
            records.resize(piece.len() * record, 0);
            self.store.read(&piece, &mut records)?;
            let named = piece.into_iter().zip(records.chunks_exact(record));
            let named = named.filter(|(_, record)| was_named(record)).map(|(row, _)| row);
            for rows in named.collect::<Vec<_>>().chunks(self.cache.slots()) {
                self.catch_up_rows(adam, rows)?;
            }
        }
        self.flush(adam)
    }

    /// Brings some rows up to date, at most as many as there are slots.
    fn catch_up_rows(&mut self, adam: &mut SparseAdam, rows: &[u64]) -> Result<(), Error> {
        let gpu = self.gpu.clone();
        let mut done = Ok(());
        // Whatever failed, the loads before it count on what they recorded.
        gpu.submit(|encoder| done = self.record_catch_up(adam, encoder, rows))?;
        done
    }

    fn record_catch_up(
        &mut self,
        adam: &mut SparseAdam,
        encoder: &mut wgpu::CommandEncoder,
        rows: &[u64],
    ) -> Result<(), Error> {
        // A batch of nothing, so that none of the rows before have to stay.
        self.pass(adam, encoder, &[])?;
        self.pass(adam, encoder, rows)?;
        adam.flush_param(encoder, self.param)?;
        // Whatever else is in the cache is brought up to date with them, and doing that again changes nothing.
        self.cache.mark_all();
        self.flushes = adam.flush_count(self.param)?;
        // Nor have these to, beside the batch that comes next.
        self.pass(adam, encoder, &[])
    }

    /// Has rows on the GPU whose slots nobody reads.
    fn pass(
        &mut self,
        adam: &mut SparseAdam,
        encoder: &mut wgpu::CommandEncoder,
        rows: &[u64],
    ) -> Result<(), Error> {
        let plan = self.plan(rows)?;
        self.load(adam, encoder, plan).map(drop)
    }
}

/// Whether a step has ever named a row: the last word of its record is `prev_iter`.
fn was_named(record: &[u8]) -> bool {
    record.last_chunk::<4>().is_some_and(|last| *last != [0; 4])
}
