//! A batch's rows brought into the cache.

use super::flights::Records;
use super::lanes::{LIST, Lane, list};
use super::numbers::Numbers;
use super::{Batch, CachedTable, Plan};
use crate::gpu::{Gpu, Mapping};
use crate::moves::{Mover, Ready, Rows, Way};
use crate::plan::{Eviction, Load, Source};
use crate::{Error, RowStore};
use sparse_adam::{Region, SparseAdam};
use wgpu::{Buffer, CommandEncoder, MapMode};

/// What a load has ready, before anything is recorded.
struct Loaded {
    slots: Buffer,
    staging: Buffer,
    ready: Ready,
    /// Numbers of the rows that come.
    numbers: Option<Ready>,
}

impl<S: RowStore> CachedTable<S> {
    /// Records the load of the next batch into `encoder`: rows that leave are gathered, those that were missing are
    /// scattered into their slots. The batch's step belongs behind it, in the same encoder or a later one.
    ///
    /// It waits only for rows that have not arrived from the store, for a device that is four loads behind, or for a store
    /// that is eight behind ([`Statistics::waits`](crate::Statistics::waits)).
    ///
    /// # Errors
    /// [`Error::StalePlan`], [`Error::Replaced`], [`Error::NotSubmitted`], [`Error::LoadRefused`]; the store's, also of rows that
    /// an earlier batch evicted: they are not lost, the next call tries to write them again; [`Error::Adam`] of the device.
    /// Nothing was recorded then, and the batch has to be planned anew.
    pub fn load(
        &mut self,
        adam: &mut SparseAdam,
        encoder: &mut CommandEncoder,
        mut plan: Plan,
    ) -> Result<Batch, Error> {
        if !self.cache.is_next(&plan.planned) {
            return Err(Error::StalePlan);
        }
        self.look(adam)?;
        let waited_to_write = self.flights.look(&self.gpu, &mut self.cache, &mut self.lanes)?;
        let evicted = self.cache.written(&plan.planned);
        let waited_to_read = plan.reading.wait()?;
        let record = self.mover.layout().bytes() as u64;
        let records = match evicted.len() as u64 {
            0 => None,
            rows => Some(self.flights.records(&self.gpu, record * rows)?),
        };
        let (lane, waited_for_lane) = self.lanes.free(&self.gpu)?;
        let movers = (&self.mover, self.numbers.as_ref());
        let loaded = prepare(&self.gpu, movers, lane, &plan, (&evicted, records.as_ref()))?;
        let number = self.cache.batches();
        lane.stamp(&self.gpu, number)?;
        // Nothing fails from here on.
        if let Some(records) = records {
            let mapping = Mapping::default();
            loaded.ready.record(encoder, Way::Gather);
            let size = record * evicted.len() as u64;
            let Records { gathered, readback } = &records;
            encoder.copy_buffer_to_buffer(gathered, 0, readback, 0, size);
            encoder.map_buffer_on_submit(readback, MapMode::Read, .., mapping.callback());
            self.flights.depart(number, &evicted, records, mapping);
        }
        copy_flights(encoder, &plan, &loaded.staging, record);
        loaded.ready.record(encoder, Way::Scatter);
        if let Some(numbers) = &loaded.numbers {
            numbers.record(encoder, Way::Scatter);
        }
        self.lanes.used(encoder, number);
        self.cache.commit(&plan.planned);
        let waits = [waited_to_write, waited_to_read, waited_for_lane];
        self.statistics.add(&plan.planned, evicted.len(), record, waits);
        let entries = plan.planned.slots.len() as u32;
        // No more than that: twice as many bytes would look like ids of i64.
        let size = if entries == 0 { 16 } else { 4 * u64::from(entries) };
        let slots = Region::new(&loaded.slots, 0, size);
        Ok(Batch { number: number + 1, slots, entries })
    }
}

/// Makes and writes what the moves of a batch need.
fn prepare(
    gpu: &Gpu,
    (mover, numbers): (&Mover, Option<&Numbers>),
    lane: &mut Lane,
    plan: &Plan,
    (evicted, records): (&[Eviction], Option<&Records>),
) -> Result<Loaded, Error> {
    let planned = &plan.planned;
    let slots = list(gpu, "a batch's slots", &mut lane.slots, &planned.slots)?;
    let from: Vec<u32> = evicted.iter().map(|eviction| eviction.slot).collect();
    let to: Vec<u32> = planned.loads.iter().map(|load| load.slot).collect();
    let evict_list = list(gpu, "slots of evicted rows", &mut lane.evict_list, &from)?;
    let load_list = list(gpu, "slots of loaded rows", &mut lane.load_list, &to)?;
    let record = mover.layout().bytes();
    let size = (record * planned.loads.len()) as u64;
    let staging = gpu.grow("loaded rows", &mut lane.staging, size, LIST)?;
    for (first, records) in plan.reading.parts() {
        let offset = (first * record) as u64;
        gpu.heard("loaded rows", records.len() as u64, || {
            gpu.queue.write_buffer(&staging, offset, records);
        })?;
    }
    let loads =
        Rows { way: Way::Scatter, list: &load_list, records: &staging, count: planned.loads.len() };
    let mut moved = vec![loads];
    if let Some(records) = records {
        let (records, count) = (&*records.gathered, evicted.len());
        moved.push(Rows { way: Way::Gather, list: &evict_list, records, count });
    }
    let ready = mover.ready(gpu, &mut lane.uniform, &moved)?;
    let written = (&*planned.loads, &load_list);
    let numbers = numbers.map(|numbers| numbers.ready(gpu, lane, written)).transpose()?;
    Ok(Loaded { slots, staging, ready, numbers })
}

/// Copies rows that the store does not have yet from where an earlier batch gathered them.
fn copy_flights(encoder: &mut CommandEncoder, plan: &Plan, staging: &Buffer, record: u64) {
    for (at, Load { source, .. }) in (0..).zip(&plan.planned.loads) {
        let Source::Flight { batch, place } = *source else { continue };
        let held = plan.flights.iter().find(|(of, _)| *of == batch);
        if let Some((_, gathered)) = held {
            let from = record * u64::from(place);
            encoder.copy_buffer_to_buffer(gathered, from, staging, record * at, record);
        }
    }
}
