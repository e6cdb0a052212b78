//! Which row lies in which slot, and what a batch changes about it: no GPU, no store, nothing waits.
//!
//! A plan is made from the cache as it is, and changes nothing; committing it does. Rows that neither a plan's batch nor
//! the one before it names are its victims: least often named first ([`frequency`]), the longest unnamed first among
//! equals. So the step of the batch before may still be on its way while a batch is loaded.

mod flight;
mod frequency;
#[cfg(test)]
mod tests;

use crate::Error;
use flight::Flights;
use foldhash::fast::RandomState;
use frequency::Frequencies;
use std::collections::HashMap;

/// A map with the hasher of this crate.
pub(crate) type Map<K, V> = HashMap<K, V, RandomState>;

/// Where a row that is loaded comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The store.
    Store,
    /// The rows that the batch of a number evicted, whose write has not been told as done; by its place there.
    Flight { batch: u64, place: u32 },
}

/// A row that a batch brings into a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    pub row: u64,
    pub slot: u32,
    pub source: Source,
}

/// A row that has to leave its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Eviction {
    pub row: u64,
    pub slot: u32,
}

/// What a batch needs of the cache.
#[derive(Clone, Debug, Default)]
pub(crate) struct Planned {
    /// Batches committed before it was made.
    after: u64,
    /// The slot of each entry, in the order of the ids.
    pub slots: Vec<u32>,
    /// The slots of its rows, each once, in the order in which they are first named.
    pub named: Vec<u32>,
    /// Rows that are not there, those from the store first.
    pub loads: Vec<Load>,
    /// Rows that leave.
    pub evictions: Vec<Eviction>,
}

impl Planned {
    /// How many of its rows are there already.
    pub fn hits(&self) -> usize {
        self.named.len() - self.loads.len()
    }
}

/// The row of a slot that has none yet.
const NONE: u64 = u64::MAX;

/// What lies in the slots of a cache.
#[derive(Debug)]
pub(crate) struct Cache {
    /// The row of each slot. Slots are taken in order, so those without a row are the last.
    rows: Vec<u64>,
    dirty: Vec<bool>,
    slot_of: Map<u64, u32>,
    frequencies: Frequencies,
    flights: Flights,
    /// Batches committed.
    batches: u64,
    /// Slots that the last of them named.
    current: Vec<u32>,
    /// And the one before it.
    previous: Vec<u32>,
}

impl Cache {
    /// An empty cache.
    pub fn new(slots: usize) -> Self {
        Self {
            rows: vec![NONE; slots],
            dirty: vec![false; slots],
            slot_of: Map::default(),
            frequencies: Frequencies::new(slots),
            flights: Flights::default(),
            batches: 0,
            current: Vec::new(),
            previous: Vec::new(),
        }
    }

    /// Batches committed.
    pub fn batches(&self) -> u64 {
        self.batches
    }

    /// Plans a batch of these rows.
    ///
    /// # Errors
    /// [`Error::CacheTooSmall`].
    pub fn plan(&self, ids: impl ExactSizeIterator<Item = u64>) -> Result<Planned, Error> {
        let mut plan = Planned { after: self.batches, ..Planned::default() };
        plan.slots.reserve(ids.len());
        // Slots that must stay, and the place among the loads of each row that is not there.
        let mut stay = Stay::new(self.rows.len());
        let mut missing: Map<u64, u32> = Map::default();
        for row in ids {
            let slot = match self.slot_of.get(&row) {
                Some(&slot) => {
                    if stay.insert(slot) {
                        plan.named.push(slot);
                    }
                    slot
                }
                None => {
                    let next = missing.len() as u32;
                    let place = *missing.entry(row).or_insert(next);
                    if place == next {
                        let source = self.flights.source(row);
                        plan.loads.push(Load { row, slot: 0, source });
                        plan.named.push(Stay::missing(place));
                    }
                    Stay::missing(place)
                }
            };
            plan.slots.push(slot);
        }
        let others = self.current.iter().filter(|&&slot| stay.insert(slot)).count();
        let (needed, slots) = (plan.named.len() + others, self.rows.len());
        // A slot is told from a missing row by its highest bit.
        if needed > slots || slots > Stay::MOST {
            return Err(Error::CacheTooSmall { needed, slots });
        }
        self.place(&mut plan, &stay);
        Ok(plan)
    }

    /// Gives each row that is not there a slot.
    fn place(&self, plan: &mut Planned, stay: &Stay) {
        let used = self.slot_of.len() as u32;
        let fresh = used..self.rows.len() as u32;
        let victims = self.frequencies.ascending().filter(|&slot| !stay.has(slot));
        for (load, slot) in plan.loads.iter_mut().zip(fresh.chain(victims)) {
            load.slot = slot;
            if slot < used {
                plan.evictions.push(Eviction { row: self.rows[slot as usize], slot });
            }
        }
        for slot in plan.slots.iter_mut().chain(&mut plan.named) {
            if let Some(place) = Stay::place(*slot) {
                *slot = plan.loads[place].slot;
            }
        }
        // Stable: which rows come from the store is the store's business, their order is not.
        plan.loads.sort_by_key(|load| load.source != Source::Store);
    }

    /// Whether a plan is the next to be committed.
    pub fn is_next(&self, plan: &Planned) -> bool {
        plan.after == self.batches
    }

    /// What of a plan's evictions the store has to be told of, as of now: a step of the batch before may have been
    /// recorded since the plan was made.
    pub fn written(&self, plan: &Planned) -> Vec<Eviction> {
        let is_dirty = |eviction: &&Eviction| self.dirty[eviction.slot as usize];
        plan.evictions.iter().filter(is_dirty).copied().collect()
    }

    /// Commits the next batch's plan. Its number, from 0, is that of the flight of [`Cache::written`].
    pub fn commit(&mut self, plan: &Planned) {
        let written = self.written(plan);
        self.flights.depart(self.batches, written.iter().map(|eviction| eviction.row));
        for eviction in &plan.evictions {
            self.slot_of.remove(&eviction.row);
            self.frequencies.forget(eviction.slot);
        }
        for load in &plan.loads {
            self.rows[load.slot as usize] = load.row;
            self.dirty[load.slot as usize] = false;
            self.slot_of.insert(load.row, load.slot);
        }
        self.batches += 1;
        self.frequencies.name(&plan.named);
        self.previous = std::mem::replace(&mut self.current, plan.named.clone());
    }

    /// The store has the rows that the batch of this number evicted.
    pub fn landed(&mut self, batch: u64) {
        self.flights.land(batch);
    }

    /// A step may have written the rows of the last batch, or of the one before it, where its step is recorded behind
    /// the load of the last.
    pub fn mark_stepped(&mut self) {
        for &slot in self.current.iter().chain(&self.previous) {
            self.dirty[slot as usize] = true;
        }
    }

    /// Every row that is there may have been written.
    pub fn mark_all(&mut self) {
        for &slot in self.slot_of.values() {
            self.dirty[slot as usize] = true;
        }
    }

    /// How many slots there are.
    pub fn slots(&self) -> usize {
        self.rows.len()
    }

    /// Slots that the store has to be told of, ascending, each with its row.
    pub fn dirty(&self) -> Vec<(u32, u64)> {
        let slots = (0..).zip(&self.dirty).zip(&self.rows);
        slots.filter(|((_, dirty), _)| **dirty).map(|((slot, _), &row)| (slot, row)).collect()
    }

    /// The store has these slots as they are.
    pub fn clean(&mut self, slots: impl Iterator<Item = u32>) {
        slots.for_each(|slot| self.dirty[slot as usize] = false);
    }

    /// The slot of a row that is there.
    pub fn slot_of(&self, row: u64) -> Option<u32> {
        self.slot_of.get(&row).copied()
    }
}

/// A set of slots, a bit each.
struct Stay(Vec<u64>);

impl Stay {
    const MISSING: u32 = 1 << 31;
    /// Most slots of a cache.
    const MOST: usize = Self::MISSING as usize;

    fn new(slots: usize) -> Self {
        Self(vec![0; slots.div_ceil(64)])
    }

    /// Adds a slot; whether it is new.
    fn insert(&mut self, slot: u32) -> bool {
        let new = !self.has(slot);
        self.0[slot as usize / 64] |= 1 << (slot % 64);
        new
    }

    fn has(&self, slot: u32) -> bool {
        self.0[slot as usize / 64] & (1 << (slot % 64)) != 0
    }

    /// What stands for a row that has no slot yet.
    fn missing(place: u32) -> u32 {
        Self::MISSING | place
    }

    /// The place of such a row.
    fn place(slot: u32) -> Option<usize> {
        (slot & Self::MISSING != 0).then_some((slot ^ Self::MISSING) as usize)
    }
}
