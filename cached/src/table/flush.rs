//! All that the cache has and the store does not, written.

use super::CachedTable;
use crate::gpu::{Mapping, take_mapped};
use crate::moves::{Rows, Way};
use crate::table::lanes::list;
use crate::{Durable, Error, Mark, RowStore};
use sparse_adam::{ParamId, SparseAdam};
use wgpu::{Buffer, BufferUsages, MapMode};

/// Bytes that are read back at once.
const PIECE: usize = 16 << 20;

impl<S: RowStore> CachedTable<S> {
    /// Writes every row of the cache that steps have changed to the store, and waits for that. All steps must have been
    /// submitted. Rows stay in the cache, and training goes on. With a [`CatchUp`](sparse_adam::CatchUp) rows are written as far
    /// as they are, behind as those of a resident table would be ([`CachedTable::catch_up`]).
    ///
    /// # Errors
    /// [`Error::NotSubmitted`], [`Error::LoadRefused`], [`Error::Replaced`]; the store's, and the device's. What was not written
    /// is written by the next call.
    pub fn flush(&mut self, adam: &mut SparseAdam) -> Result<(), Error> {
        self.look(adam)?;
        // Slots of rows whose load is still to come have something else, which must not be written for them.
        self.flights.finish(&self.gpu, &mut self.cache, &mut self.lanes)?;
        let dirty = self.cache.dirty();
        let record = self.mover.layout().bytes();
        let (mut uniform, mut slots) = (None, None);
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC;
        let piece = (PIECE / record).max(1);
        let size = (record * piece.min(dirty.len())) as u64;
        let gathered = self.gpu.buffer("flushed rows", size, usage)?;
        let usage = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
        let readback = self.gpu.buffer("flushed rows", size, usage)?;
        for piece in dirty.chunks(piece) {
            let (from, rows): (Vec<u32>, Vec<u64>) = piece.iter().copied().unzip();
            let list = list(&self.gpu, "slots of flushed rows", &mut slots, &from)?;
            let moved =
                Rows { way: Way::Gather, list: &list, records: &gathered, count: piece.len() };
            let ready = self.mover.ready(&self.gpu, &mut uniform, &[moved])?;
            let records = self.read(&ready, (&gathered, &readback), record * piece.len())?;
            self.store.write(&rows, &records)?;
            self.cache.clean(from.into_iter());
            self.statistics.flushed(records.len() as u64);
        }
        Ok(())
    }

    fn read(
        &self,
        ready: &crate::moves::Ready,
        (gathered, readback): (&Buffer, &Buffer),
        bytes: usize,
    ) -> Result<Vec<u8>, Error> {
        let (mapping, bytes) = (Mapping::default(), bytes as u64);
        self.gpu.submit(|encoder| {
            ready.record(encoder, Way::Gather);
            encoder.copy_buffer_to_buffer(gathered, 0, readback, 0, bytes);
            encoder.map_buffer_on_submit(readback, MapMode::Read, .., mapping.callback());
        })?;
        match self.gpu.wait_for(|| Ok(mapping.is_there()?))? {
            true => Ok(take_mapped(readback, bytes)?),
            false => Err(Error::NotSubmitted { what: "CachedTable::flush" }),
        }
    }
}

impl<S: RowStore> CachedTable<S> {
    /// What a checkpoint says of the table as it is.
    pub(crate) fn mark(&self, adam: &SparseAdam, note: &str) -> Result<Mark, Error> {
        let options = adam.options(adam.group_of(self.param)?)?;
        let options = serde_json::to_string(&options).map_err(std::io::Error::from);
        let options = options.map_err(Error::io("writing the options"))?;
        let mark = Mark::new(adam.step_count(self.param)?, options, note);
        Ok(mark.stored(stored(adam, self.param)?))
    }
}

/// How a parameter and its state are stored, as text.
pub(super) fn stored(adam: &SparseAdam, param: ParamId) -> Result<String, Error> {
    let stored = serde_json::to_string(&(adam.format(param)?, adam.state_storage(param)?));
    stored.map_err(|error| Error::io("writing the formats")(error.into()))
}

impl<S: Durable> CachedTable<S> {
    /// Flushes, and makes the table as it is now, the steps it has counted, its group's options and `note` what a process
    /// finds that opens the store later ([`CachedTable::new`] takes them over).
    ///
    /// # Errors
    /// As [`CachedTable::flush`]; the last checkpoint is what is found then.
    pub fn checkpoint(&mut self, adam: &mut SparseAdam, note: &str) -> Result<(), Error> {
        self.flush(adam)?;
        self.store.checkpoint(self.mark(adam, note)?)
    }
}
