//! Evicted rows on their way from the GPU to the store.

use super::lanes::Lanes;
use crate::gpu::{Gpu, Mapping, take_mapped};
use crate::plan::{Cache, Eviction};
use crate::threads::{Write, Writer};
use crate::{Error, RowStore};
use std::collections::VecDeque;
use std::sync::Arc;
use wgpu::{Buffer, BufferUsages};

/// Batches whose rows may be on their way; a load waits for the store where there are more.
const MOST: usize = 8;

/// Records `[n]` on the GPU, gathered there, and a buffer to read them by.
#[derive(Clone, Debug)]
pub(super) struct Records {
    pub gathered: Arc<Buffer>,
    pub readback: Buffer,
}

/// The rows that a batch evicted.
#[derive(Debug)]
struct Flight {
    batch: u64,
    rows: Vec<u64>,
    records: Records,
    mapping: Mapping,
    /// Whether the writer has them.
    sent: bool,
}

/// All that are on their way.
#[derive(Debug)]
pub(super) struct Flights {
    writer: Writer,
    flying: VecDeque<Flight>,
    /// Of flights that have landed.
    free: Vec<Records>,
    /// Bytes of a record.
    record: u64,
}

impl Flights {
    pub fn new<S: RowStore>(store: Arc<S>) -> Result<Self, Error> {
        let record = store.layout().bytes() as u64;
        Ok(Self { writer: Writer::new(store)?, flying: VecDeque::new(), free: Vec::new(), record })
    }

    /// The records that a batch evicted.
    pub fn buffer(&self, batch: u64) -> Option<(u64, Arc<Buffer>)> {
        let flight = self.flying.iter().find(|flight| flight.batch == batch)?;
        Some((batch, Arc::clone(&flight.records.gathered)))
    }

    /// Buffers of at least `size` bytes.
    pub fn records(&mut self, gpu: &Gpu, size: u64) -> Result<Records, Error> {
        // A plan may still want to copy from it.
        let is_free = |held: &Records| Arc::strong_count(&held.gathered) == 1;
        let fits = |held: &Records| is_free(held) && held.gathered.size() >= size;
        if let Some(at) = self.free.iter().position(fits) {
            return Ok(self.free.swap_remove(at));
        }
        self.free.retain(|held| !is_free(held));
        let size = size.next_power_of_two();
        let storage = BufferUsages::STORAGE | BufferUsages::COPY_SRC;
        let gathered = Arc::new(gpu.buffer("evicted rows", size, storage)?);
        let usage = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
        Ok(Records { gathered, readback: gpu.buffer("evicted rows", size, usage)? })
    }

    /// Rows take off: their records are mapped once what was recorded is submitted.
    pub fn depart(&mut self, batch: u64, evicted: &[Eviction], records: Records, mapping: Mapping) {
        let rows = evicted.iter().map(|eviction| eviction.row).collect();
        self.flying.push_back(Flight { batch, rows, records, mapping, sent: false });
    }

    /// Passes on what has been read back, and tells the cache what the store has. Whether it had to wait.
    ///
    /// # Errors
    /// The store's, once; it is tried again after that. [`Error::LoadRefused`]; the device's.
    pub fn look(&mut self, gpu: &Gpu, cache: &mut Cache, lanes: &mut Lanes) -> Result<bool, Error> {
        gpu.poll(false)?;
        self.send(lanes)?;
        self.land(cache)?;
        let too_many = self.flying.len() > MOST;
        if too_many {
            gpu.poll(true)?;
            self.send(lanes)?;
            // What the last load recorded may not be submitted yet, and need not be.
            self.writer.wait()?;
            self.land(cache)?;
        }
        Ok(too_many)
    }

    /// Waits until the GPU has done all loads, and the store has all that they evicted.
    ///
    /// # Errors
    /// As [`Flights::look`]; [`Error::NotSubmitted`].
    pub fn finish(&mut self, gpu: &Gpu, cache: &mut Cache, lanes: &mut Lanes) -> Result<(), Error> {
        let send_all = || {
            self.send(lanes)?;
            Ok(self.flying.iter().all(|flight| flight.sent) && lanes.first_pending()?.is_none())
        };
        if !gpu.wait_for(send_all)? {
            return Err(Error::NotSubmitted { what: "CachedTable::load" });
        }
        self.writer.wait()?;
        self.land(cache)
    }

    /// Gives the writer what has been read back, in order: of loads that ran, as did all before them.
    fn send(&mut self, lanes: &mut Lanes) -> Result<(), Error> {
        let ran = lanes.first_pending()?.unwrap_or(u64::MAX);
        for flight in self.flying.iter_mut().filter(|flight| !flight.sent) {
            if flight.batch >= ran || !flight.mapping.is_there()? {
                break;
            }
            let rows = flight.rows.clone();
            // The buffer may be larger.
            let records = take_mapped(&flight.records.readback, self.record * rows.len() as u64)?;
            self.writer.push(Write { batch: flight.batch, rows, records });
            flight.sent = true;
        }
        Ok(())
    }

    fn land(&mut self, cache: &mut Cache) -> Result<(), Error> {
        for batch in self.writer.landed()? {
            cache.landed(batch);
            if let Some(at) = self.flying.iter().position(|flight| flight.batch == batch)
                && let Some(flight) = self.flying.remove(at)
            {
                self.free.push(flight.records);
            }
        }
        Ok(())
    }
}
