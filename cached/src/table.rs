//! A table larger than the GPU, whose rows are in its cache when a batch names them.

mod behind;
mod flights;
mod flush;
mod lanes;
mod load;
mod made;
mod numbers;

use crate::gpu::Gpu;
use crate::moves::Mover;
use crate::plan::{Cache, Planned, Source};
use crate::threads::{Readers, Reading};
use crate::{Error, Layout, RowStore, Statistics};
use flights::Flights;
use lanes::Lanes;
use numbers::Numbers;
use sparse_adam::{ParamId, Region, SparseAdam, SparseGrad};
use std::sync::Arc;
use wgpu::Buffer;

/// A table whose rows lie in a store, and in a parameter of a [`SparseAdam`], which is its cache, those that a batch
/// names.
///
/// ```no_run
/// # use sparse_adam::{Param, SparseAdam};
/// # use sparse_adam_cached::{CachedTable, Error, MemoryStore, f32_weights};
/// # fn train(device: wgpu::Device, queue: wgpu::Queue, mut adam: SparseAdam, weights: wgpu::Buffer, values: wgpu::Buffer,
/// #     mut loader: impl Iterator<Item = Vec<u32>>) -> Result<(), Error> {
/// let cache = adam.add_param(Param::new("items", &weights, [200_000, 64]))?;
/// let mut items = CachedTable::new(&device, &queue, &mut adam, cache, |layout| {
///     let init = f32_weights(|row, weights| weights.fill(row as f32 * 1e-9));
///     Ok(MemoryStore::new(50_000_000, layout, init))
/// })?;
/// let Some(ids) = loader.next() else { return Ok(()) };
/// let mut plan = items.plan(&ids)?;
/// for ids in loader {
///     let mut encoder = device.create_command_encoder(&Default::default());
///     let batch = items.load(&mut adam, &mut encoder, plan)?;
///     plan = items.plan(&ids)?; // the rows of the next batch are read from here on
///     // Forward and backward: `weights` by `batch.slots()`, u32 [entries], into `values`.
///     let grad = items.grad(&batch, &values)?;
///     adam.set_grad(cache, grad)?;
///     adam.step(&mut encoder)?;
///     queue.submit([encoder.finish()]);
/// }
/// items.flush(&mut adam)?;
/// # Ok(()) }
/// ```
///
/// What is recorded must be submitted in the order in which it was recorded, each encoder before the call of
/// [`CachedTable::load`] after the next. What the optimizer writes to the parameter has to come by way of
/// [`CachedTable::grad`], or of [`Batch::slots`] as the indices of a gradient of the last batch; a dense gradient of all
/// rows ([`SparseGrad::of_rows`]) has none. Who takes steps back from the count ([`SparseAdam::set_step_count`]) calls
/// [`CachedTable::grad`] for each batch: whether rows have changed is otherwise told by that count.
#[derive(Debug)]
pub struct CachedTable<S: RowStore> {
    gpu: Gpu,
    param: ParamId,
    store: Arc<S>,
    cache: Cache,
    mover: Mover,
    /// Where the optimizer draws random bits.
    numbers: Option<Numbers>,
    readers: Readers,
    flights: Flights,
    lanes: Lanes,
    statistics: Statistics,
    /// Steps that the parameter had counted when it was last looked.
    steps: u64,
    /// How often its rows had been brought up to date.
    flushes: u64,
}

/// What a batch needs, and rows on their way from the store. One that is dropped has changed nothing.
#[derive(Debug)]
#[must_use = "rows are read for a plan, to be loaded"]
pub struct Plan {
    planned: Planned,
    reading: Reading,
    /// Of the flights that rows come from: the batch, and the buffer.
    flights: Vec<(u64, Arc<Buffer>)>,
}

impl Plan {
    /// The slot of each entry, in the order of the ids, on the host: what [`Batch::slots`] will be on the GPU.
    pub fn slots(&self) -> &[u32] {
        &self.planned.slots
    }
}

/// A batch whose rows are in the cache.
#[derive(Clone, Debug)]
pub struct Batch {
    number: u64,
    slots: Region,
    entries: u32,
}

impl Batch {
    /// The slot of each entry, u32 `[entries]`, in the order of the ids: rows of the parameter, for the forward pass and
    /// as a gradient's indices. Valid until the load after the next; usages `STORAGE` and `COPY_SRC`. A batch of no
    /// entries has 16 bytes that mean nothing.
    pub fn slots(&self) -> &Region {
        &self.slots
    }

    /// How many entries it has.
    pub fn entries(&self) -> u32 {
        self.entries
    }
}

impl<S: RowStore> CachedTable<S> {
    /// Plans a batch of `ids`, an id per entry, and begins to read the rows that are missing. It is to be loaded next.
    ///
    /// # Errors
    /// [`Error::RowOutOfRange`], [`Error::CacheTooSmall`].
    pub fn plan<I: Copy + Into<u64>>(&self, ids: &[I]) -> Result<Plan, Error> {
        let rows = self.store.rows();
        let ids = ids.iter().map(|&id| id.into());
        if let Some(row) = ids.clone().find(|&row| row >= rows) {
            return Err(Error::RowOutOfRange { row, rows });
        }
        let planned = self.cache.plan(ids)?;
        let mut stored = Vec::new();
        let mut flights: Vec<(u64, Arc<Buffer>)> = Vec::new();
        for load in &planned.loads {
            match load.source {
                Source::Store => stored.push(load.row),
                Source::Flight { batch, .. } if flights.iter().any(|(held, _)| *held == batch) => {}
                Source::Flight { batch, .. } => {
                    flights.push(self.flights.buffer(batch).ok_or(Error::StalePlan)?);
                }
            }
        }
        let reading = self.readers.read(&self.store, &stored);
        Ok(Plan { planned, reading, flights })
    }

    /// The gradient of a batch whose value rows lie in `values`, f32 `[entries, dim]` (usage `STORAGE`), to be given to
    /// [`SparseAdam::set_grad`], with what else [`SparseGrad`] offers: formats, weights, a value map.
    ///
    /// # Errors
    /// [`Error::StalePlan`] for another batch than the last.
    pub fn grad(&mut self, batch: &Batch, values: impl Into<Region>) -> Result<SparseGrad, Error> {
        if batch.number != self.cache.batches() {
            return Err(Error::StalePlan);
        }
        self.cache.mark_stepped();
        Ok(match batch.entries {
            0 => SparseGrad::empty(),
            entries => SparseGrad::new(batch.slots.clone(), values, entries),
        })
    }

    /// The slot of a row, while it is in the cache: as [`SparseGrad::padding_idx`], or to look at it.
    pub fn slot_of(&self, row: u64) -> Option<u32> {
        self.cache.slot_of(row)
    }

    /// The parameter that is the cache.
    pub fn param(&self) -> ParamId {
        self.param
    }

    /// What a row is, as bytes.
    pub fn layout(&self) -> Layout {
        self.mover.layout()
    }

    /// The store. What it has of a row is what the last [`CachedTable::flush`] or eviction left there.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// What was moved so far.
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// Marks what was stepped since it was last asked.
    fn look(&mut self, adam: &mut SparseAdam) -> Result<(), Error> {
        let (_, parts) = crate::layout::parts(adam, self.param)?;
        let same =
            parts.iter().zip(self.mover.parts()).all(|(now, then)| now.windows == then.windows);
        let numbered = match &self.numbers {
            Some(numbers) => numbers.are_read(adam, self.param)?,
            None => true,
        };
        if !same || !numbered || parts.len() != self.mover.parts().len() {
            return Err(Error::Replaced);
        }
        if adam.flush_count(self.param)? != self.flushes {
            return Err(Error::FlushedAlone);
        }
        let steps = adam.step_count(self.param)?;
        if steps != self.steps {
            self.cache.mark_stepped();
            self.steps = steps;
        }
        Ok(())
    }
}
