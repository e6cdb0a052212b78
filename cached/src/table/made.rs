//! A table, made of a parameter and a store.

use super::CachedTable;
use super::flights::Flights;
use super::flush::stored;
use super::lanes::Lanes;
use super::numbers::Numbers;
use crate::gpu::Gpu;
use crate::layout::parts;
use crate::moves::Mover;
use crate::plan::Cache;
use crate::threads::Readers;
use crate::{Error, Layout, RowStore, Statistics};
use sparse_adam::{AdamOptions, ParamId, SparseAdam};
use std::sync::Arc;
use wgpu::{Device, Queue};

/// Threads that read, unless [`CachedTable::with_threads`] says otherwise: what keeps a disk busy, not a core.
const THREADS: usize = 8;

impl<S: RowStore> CachedTable<S> {
    /// A table over the store that `open` makes for its records, with the parameter `param` of `adam`, `[slots, ...]`, as
    /// its cache: on `device`, and any queue of it. What the parameter's buffer holds is written over.
    ///
    /// Where the store has a checkpoint, the parameter's steps and its group's options become those of it.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a parameter of several sparse axes; [`Error::Adam`] with
    /// [`sparse_adam::Error::Unsupported`] for one that both catches up and rounds by random bits. [`Error::Mismatch`] for a store of other records, or
    /// whose checkpoint is of other formats or another seed of the random rounding; those of `open`;
    /// [`Error::Adam`] for an unknown parameter, options that a checkpoint has and this group cannot take, and the device's.
    pub fn new(
        device: &Device,
        queue: &Queue,
        adam: &mut SparseAdam,
        param: ParamId,
        open: impl FnOnce(Layout) -> Result<S, Error>,
    ) -> Result<Self, Error> {
        Self::with_threads(device, queue, adam, param, THREADS, open)
    }

    /// As [`CachedTable::new`], with so many threads that read.
    ///
    /// # Errors
    /// As [`CachedTable::new`].
    pub fn with_threads(
        device: &Device,
        queue: &Queue,
        adam: &mut SparseAdam,
        param: ParamId,
        threads: usize,
        open: impl FnOnce(Layout) -> Result<S, Error>,
    ) -> Result<Self, Error> {
        check(adam, param)?;
        let (layout, parts) = parts(adam, param)?;
        let slots = adam.regions(param)?.iter().map(|window| window.rows).sum();
        let gpu = Gpu { device: device.clone(), queue: queue.clone() };
        let mover = Mover::new(&gpu, layout, parts)?;
        let store = Arc::new(open(layout)?);
        if store.layout() != layout {
            return Err(Error::Mismatch {
                what: "bytes of a row's parts",
                expected: format!("{layout:?}"),
                found: format!("{:?}", store.layout()),
            });
        }
        let (readers, flights) = (Readers::new(threads)?, Flights::new(Arc::clone(&store))?);
        resume(adam, param, &*store)?;
        let numbers = Numbers::new(&gpu, adam, param, slots)?;
        Ok(Self {
            gpu,
            param,
            cache: Cache::new(slots as usize),
            mover,
            numbers,
            readers,
            flights,
            lanes: Lanes::default(),
            statistics: Statistics::default(),
            steps: adam.step_count(param)?,
            flushes: adam.flush_count(param)?,
            store,
        })
    }
}

/// Takes over what the store's last checkpoint says.
fn resume(adam: &mut SparseAdam, param: ParamId, store: &impl RowStore) -> Result<(), Error> {
    let Some(mark) = store.mark() else { return Ok(()) };
    let expected = stored(adam, param)?;
    if !mark.stored.is_empty() && mark.stored != expected {
        let what = "formats and rounding of a checkpoint";
        return Err(Error::Mismatch { what, expected, found: mark.stored });
    }
    let options: AdamOptions =
        serde_json::from_str(&mark.options).map_err(|error| Error::Damaged {
            file: "the mark of a checkpoint".into(),
            reason: format!("its options: {error}"),
        })?;
    let group = adam.group_of(param)?;
    let held = adam.options(group)?;
    adam.set_options(group, options)?;
    if let Err(error) = adam.set_step_count(param, mark.steps) {
        adam.set_options(group, held)?;
        return Err(error.into());
    }
    Ok(())
}

fn check(adam: &SparseAdam, param: ParamId) -> Result<(), Error> {
    let (shape, windows) = (adam.shape(param)?, adam.regions(param)?);
    if shape.first().copied() == Some(windows.iter().map(|window| window.rows).sum()) {
        return Ok(());
    }
    let what = "a parameter of several sparse axes";
    Err(Error::Unsupported { what, remedy: "flatten its ids" })
}
