//! The plan against a naive model that sorts all slots and copies rows as numbers.

use super::frequency::AGEING;
use super::*;
use sparse_adam_testkit::Rng;
use sparse_adam_testkit::campaign::fresh_seed;
use std::collections::{BTreeMap, BTreeSet};

/// A row in a slot: what it is worth, how often and when it was named.
#[derive(Clone, Copy, Debug)]
struct Held {
    row: u64,
    value: u64,
    count: u8,
    named: u64,
    dirty: bool,
}

/// A cache by the book, over a store of numbers.
#[derive(Default)]
struct Naive {
    slots: Vec<Option<Held>>,
    store: BTreeMap<u64, u64>,
    /// Written back, but not in the store: rows and values by batch.
    flying: BTreeMap<u64, Vec<(u64, u64)>>,
    last: BTreeSet<u64>,
    before: BTreeSet<u64>,
    namings: u64,
    /// Namings when counts were last halved.
    aged: u64,
    batches: u64,
}

impl Naive {
    /// The victims of a batch: the slots that may go, in their order.
    fn victims(&self, batch: &BTreeSet<u64>) -> Vec<u32> {
        let mut all: Vec<_> = (0..)
            .zip(&self.slots)
            .filter_map(|(slot, held)| Some((slot, (*held)?)))
            .filter(|(_, held)| !batch.contains(&held.row) && !self.last.contains(&held.row))
            .collect();
        all.sort_by_key(|(_, held)| (held.count, held.named));
        all.into_iter().map(|(slot, _)| slot).collect()
    }

    /// Does what a plan says, and checks that it is what the book says.
    fn load(&mut self, ids: &[u64], plan: &Planned, written: &[Eviction]) {
        let batch: BTreeSet<u64> = ids.iter().copied().collect();
        let victims = self.victims(&batch);
        let evicted: Vec<u32> = plan.evictions.iter().map(|eviction| eviction.slot).collect();
        assert_eq!(evicted, victims[..evicted.len()], "not the least often named ones");
        let free = self.slots.iter().filter(|held| held.is_none()).count();
        assert_eq!(plan.evictions.len(), plan.loads.len().saturating_sub(free), "left too early");
        let mut flight = Vec::new();
        for eviction in &plan.evictions {
            let held =
                self.slots[eviction.slot as usize].take().expect("an empty slot was evicted");
            assert_eq!(held.row, eviction.row);
            assert_eq!(held.dirty, written.contains(eviction));
            if held.dirty {
                flight.push((held.row, held.value));
            }
        }
        for load in &plan.loads {
            let value = match load.source {
                Source::Store => self.store.get(&load.row).copied().unwrap_or(load.row),
                Source::Flight { batch, place } => {
                    let (row, value) = self.flying[&batch][place as usize];
                    assert_eq!(row, load.row);
                    value
                }
            };
            let held = Held { row: load.row, value, count: 0, named: 0, dirty: false };
            let slot = &mut self.slots[load.slot as usize];
            assert!(slot.replace(held).is_none(), "a row was written over");
        }
        if !flight.is_empty() {
            self.flying.insert(self.batches, flight);
        }
        self.name(ids, plan);
        self.before = std::mem::replace(&mut self.last, batch);
    }

    fn name(&mut self, ids: &[u64], plan: &Planned) {
        let mut seen = BTreeSet::new();
        for (&row, &slot) in ids.iter().zip(&plan.slots) {
            let held = self.slots[slot as usize].as_mut().expect("an entry of an empty slot");
            assert_eq!(held.row, row, "an entry of another row's slot");
            if seen.insert(row) {
                self.namings += 1;
                (held.count, held.named) = (held.count.saturating_add(1), self.namings);
            }
        }
        assert_eq!(plan.named.len(), seen.len());
        self.batches += 1;
        if self.namings >= self.aged + AGEING * self.slots.len() as u64 {
            self.aged = self.namings;
            let all = self.slots.iter_mut().flatten();
            all.for_each(|held| held.count = (held.count / 2).max(1));
        }
    }
}

/// A trace of batches, each perhaps stepped, of writes that land late and of flushes: ends with every row's value.
fn check_trace(rng: &mut Rng) {
    let rows = 1 + rng.below(60) as u64;
    let most = 1 + rng.below(20);
    let slots = 1 + rng.below(50);
    let mut cache = Cache::new(slots);
    let mut naive = Naive { slots: vec![None; slots], ..Naive::default() };
    let mut resident: BTreeMap<u64, u64> = (0..rows).map(|row| (row, row)).collect();
    for step in 0..400u64 {
        let nnz = rng.below(most + 1);
        let few = 1 + rng.below(rows as usize);
        let ids: Vec<u64> = (0..nnz).map(|_| rng.below(few) as u64).collect();
        let both = naive.last.iter().chain(&ids).collect::<BTreeSet<_>>().len();
        let plan = match cache.plan(ids.iter().copied()) {
            Ok(plan) => plan,
            Err(Error::CacheTooSmall { needed, slots: found }) => {
                assert!(
                    needed == both && found == slots && both > slots,
                    "{needed} {both} {found}"
                );
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        assert!(both <= slots);
        assert_eq!(plan.hits() + plan.loads.len(), ids.iter().collect::<BTreeSet<_>>().len());
        if rng.below(8) == 0 {
            continue; // A plan that nobody loads changes nothing.
        }
        assert!(cache.is_next(&plan));
        naive.load(&ids, &plan, &cache.written(&plan));
        cache.commit(&plan);
        assert!(!cache.is_next(&plan), "a plan could be loaded twice");
        if rng.below(4) > 0 {
            step_rows(&mut cache, &mut naive, &mut resident, &ids, 1000 * (step + 1));
        }
        while rng.below(3) == 0
            && let Some((batch, flight)) = naive.flying.pop_first()
        {
            naive.store.extend(flight);
            cache.landed(batch);
        }
        if rng.below(20) == 0 {
            flush(&mut cache, &mut naive);
        }
    }
    for (batch, flight) in std::mem::take(&mut naive.flying) {
        naive.store.extend(flight);
        cache.landed(batch);
    }
    flush(&mut cache, &mut naive);
    for (row, value) in resident {
        assert_eq!(naive.store.get(&row).copied().unwrap_or(row), value, "row {row}");
    }
}

fn step_rows(
    cache: &mut Cache,
    naive: &mut Naive,
    resident: &mut BTreeMap<u64, u64>,
    ids: &[u64],
    amount: u64,
) {
    cache.mark_stepped();
    let all = naive.last.union(&naive.before);
    let slots: Vec<u32> = all.filter_map(|row| cache.slot_of(*row)).collect();
    for slot in slots {
        naive.slots[slot as usize].as_mut().unwrap().dirty = true;
    }
    for row in ids.iter().collect::<BTreeSet<_>>() {
        *resident.get_mut(row).unwrap() += amount;
        let slot = cache.slot_of(*row).unwrap() as usize;
        let held = naive.slots[slot].as_mut().unwrap();
        held.value += amount;
    }
}

/// Flights land first, as those of the table do.
fn flush(cache: &mut Cache, naive: &mut Naive) {
    for (batch, flight) in std::mem::take(&mut naive.flying) {
        naive.store.extend(flight);
        cache.landed(batch);
    }
    let dirty = cache.dirty();
    let expected: Vec<(u32, u64)> = (0..)
        .zip(&naive.slots)
        .filter_map(|(slot, held)| held.filter(|held| held.dirty).map(|held| (slot, held.row)))
        .collect();
    assert_eq!(dirty, expected);
    for held in naive.slots.iter_mut().flatten().filter(|held| held.dirty) {
        naive.store.insert(held.row, held.value);
        held.dirty = false;
    }
    cache.clean(dirty.iter().map(|(slot, _)| *slot));
}

#[test]
fn random_traces_are_those_of_a_naive_cache() {
    let mut rng = Rng(fresh_seed());
    (0..150).for_each(|_| check_trace(&mut rng));
}

#[test]
fn what_is_named_often_stays_and_ages() {
    let mut cache = Cache::new(4);
    let mut load = |ids: &[u64]| {
        let plan = cache.plan(ids.iter().copied()).unwrap();
        cache.commit(&plan);
        plan.evictions.iter().map(|eviction| eviction.row).collect::<Vec<_>>()
    };
    for _ in 0..10 {
        assert!(load(&[0]).is_empty());
    }
    assert!(load(&[1]).is_empty());
    assert!(load(&[2]).is_empty());
    assert!(load(&[3]).is_empty());
    // Named once, and longest ago; 3 is of the batch before.
    assert_eq!(load(&[4]), [1]);
    assert_eq!(load(&[5]), [2]);
    // 0 was named ten times, then never again: three halvings make it one of many.
    let mut evicted = Vec::new();
    for batch in 0..6 * AGEING {
        evicted.extend(load(&[10 + batch % 5, 20 + batch % 2]));
    }
    assert!(evicted.contains(&0), "it never left");
}

#[test]
fn a_batch_that_does_not_fit_changes_nothing() {
    let mut cache = Cache::new(3);
    let plan = cache.plan([1, 2, 1].into_iter()).unwrap();
    cache.commit(&plan);
    let too_large = cache.plan([2, 3, 4].into_iter());
    assert!(matches!(too_large, Err(Error::CacheTooSmall { needed: 4, slots: 3 })));
    let plan = cache.plan([2, 3].into_iter()).unwrap();
    assert_eq!((plan.hits(), plan.loads.len(), plan.evictions.len()), (1, 1, 0));
}
