//! Whether, and how, a workgroup sorts the entries of a table as it takes them in.

use super::{is_sorted, sort};
use crate::step::demand::{OneList, TableDemand};
use crate::step::kernel::Kernel;
use crate::step::shape::DeviceShape;
use crate::step::stages::Stage;
use crate::{Form, Tuning};

/// How a workgroup sorts the entries of a small table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Small {
    /// On CPU adapters; it lists heads, too.
    Serial,
    Bitonic,
    Radix,
}

/// How entries are sorted where each table that is sorted has few; None where one sort does for all, of `keys` keys.
pub(super) fn small(
    steps: &[TableDemand],
    keys: u64,
    device: DeviceShape,
    tuning: &Tuning,
) -> Option<Small> {
    let sorted = || steps.iter().filter(|step| is_sorted(step, tuning));
    let fits = |step: &TableDemand| step.one_list.is_some() && step.nnz <= tuning.small;
    let most = sorted().map(|step| step.nnz).max()?;
    if !sorted().all(fits) {
        return None;
    }
    if tuning.form == Form::Serial {
        // Its threads are few, and a table is sorted by one.
        let one_list = steps.iter().skip(1).all(|step| step.shares.is_some());
        return one_list.then_some(Small::Serial);
    }
    // Dispatches of it wait for each other, and take about as long as a pass over all pairs.
    if dispatches(&lists(steps, tuning), device) > sort::digits(keys, tuning.digit_bits).len() {
        return None;
    }
    match most <= tuning.bitonic {
        true => Some(Small::Bitonic),
        false => sorted().all(fits_word).then_some(Small::Radix),
    }
}

/// The lists that are sorted, in their order; None where another kernel comes between.
fn lists(steps: &[TableDemand], tuning: &Tuning) -> Vec<Option<OneList>> {
    let makers = steps.iter().filter(|step| step.shares.is_none());
    let list = |step: &TableDemand| {
        // A tally is a buffer of its own, and weights are looked at between.
        let joins = |list: OneList| list.joins && !step.tallied && !step.weighted;
        let list = step.one_list.filter(|_| is_sorted(step, tuning));
        list.map(|list| OneList { joins: joins(list), ..list })
    };
    makers.map(list).collect()
}

/// Dispatches that take these lists, one behind the other, each as many as it can.
fn dispatches(lists: &[Option<OneList>], device: DeviceShape) -> usize {
    let kernel = Kernel::ingest(Stage::IngestRadixParallel, true);
    // An index list is the first thing that each has.
    let most = |in_pool: bool| {
        let ways = kernel.ways(device).filter(|way| way.pooled.has(0) == in_pool);
        ways.map(|way| way.most).max().unwrap_or(1)
    };
    let (of_pool, apart) = (most(true), most(false));
    let (mut all, mut rest) = (0, lists);
    while let [first, ..] = rest {
        let joins = |list: &&Option<OneList>| list.is_some_and(|list| list.joins);
        let joined = rest.iter().take_while(joins).count();
        let pool = first.and_then(|list| list.pool);
        let is_beside = |list: &&Option<OneList>| list.and_then(|list| list.pool) == pool;
        let beside = rest[..joined].iter().take_while(is_beside).count();
        let beside = if pool.is_some() { beside.min(of_pool) } else { 1 };
        rest = &rest[beside.max(joined.min(apart)).max(1)..];
        all += usize::from(first.is_some());
    }
    all
}

/// Whether `ingest_radix_parallel` can hold the keys of a table above its entries: all but the digit that it takes first.
fn fits_word(step: &TableDemand) -> bool {
    let entry_bits = step.nnz.next_power_of_two().ilog2().max(10);
    step.key_bits() + entry_bits <= u32::BITS + 4
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::plan::plan;
    use crate::step::plan::tests::{DEVICE, JOINS, step};

    fn of(rows: u32, nnz: u32) -> TableDemand {
        TableDemand { one_list: Some(JOINS), ..step(rows, 4, nnz) }
    }

    fn on(device: DeviceShape, steps: &[TableDemand]) -> Option<Small> {
        plan(steps, device, &Tuning::GPU).unwrap().small
    }

    #[test]
    fn few_entries_are_sorted_by_a_network_and_more_by_digits() {
        let small = |steps: &[TableDemand]| on(DEVICE, steps);
        let network = Tuning::GPU.bitonic;
        assert_eq!(small(&[of(9, network), of(9, 1)]), Some(Small::Bitonic));
        assert_eq!(small(&[of(9, network), of(9, network + 1)]), Some(Small::Radix));
        // A word holds 24 bits of a key beside 12 of an entry, the first 4 of which it need not hold.
        assert_eq!(small(&[of((1 << 24) - 1, 4096)]), Some(Small::Radix));
        assert_eq!(small(&[of(1 << 24, 4096)]), None);
        assert_eq!(small(&[of(1 << 24, 2048)]), Some(Small::Radix));
        assert_eq!(small(&[of(u32::MAX - 1, network)]), Some(Small::Bitonic));
        // Those that need no order are no hindrance, and nothing that is to be done.
        let promised = TableDemand { promised: true, ..of(1000, 50_000) };
        assert_eq!(small(&[promised]), None);
        assert_eq!(small(&[promised, of(9, 9)]), Some(Small::Bitonic));
    }

    /// In a pool, and still a dispatch each.
    #[test]
    fn weights_tallies_and_other_kernels_keep_tables_apart() {
        let pooled =
            TableDemand { one_list: Some(OneList { pool: Some(7), ..JOINS }), ..of(100_000, 4096) };
        assert_eq!(on(DEVICE, &[pooled; 26]), Some(Small::Radix));
        let weighted = TableDemand { weighted: true, ..pooled };
        assert_eq!(on(DEVICE, &[weighted; 26]), None);
        let shared: Vec<_> = (0..52)
            .map(|number| match number % 2 {
                0 => TableDemand { tallied: true, ..pooled },
                _ => TableDemand { shares: Some(number - 1), ..pooled },
            })
            .collect();
        assert_eq!(on(DEVICE, &shared), None);
        let promised = TableDemand { promised: true, ..pooled };
        assert_eq!(on(DEVICE, &[pooled, promised].repeat(13)), None);
        assert_eq!(on(DEVICE, &[[pooled; 13], [promised; 13]].concat()), Some(Small::Radix));
    }

    #[test]
    fn tables_are_sorted_each_by_itself_in_no_more_dispatches_than_there_are_passes() {
        let pool = |pool| Some(OneList { pool, ..JOINS });
        // Of 2,600,026 keys, three passes.
        let small = |buffers, one_list| {
            let device = DeviceShape { storage_buffers: buffers, ..DEVICE };
            let table = TableDemand { one_list, ..of(100_000, 4096) };
            on(device, &[table; 26])
        };
        let found = [4, 8, 10, 13].map(|buffers| small(buffers, pool(None)));
        assert_eq!(found, [None, None, None, Some(Small::Radix)]);
        assert_eq!(small(4, pool(Some(7))), Some(Small::Radix));
        let alone = OneList { joins: false, pool: Some(7) };
        assert_eq!(small(13, Some(alone)), None);
        // One that joins no other comes between.
        let lists = |joins: &[Option<bool>]| {
            let list = |(joins, pool): (&Option<bool>, u32)| {
                joins.map(|joins| OneList { joins, pool: Some(pool) })
            };
            let lists: Vec<_> = joins.iter().zip(0..).map(list).collect();
            super::dispatches(&lists, DeviceShape { storage_buffers: 4, ..DEVICE })
        };
        let (yes, no) = (Some(true), Some(false));
        assert_eq!(lists(&[yes, yes, yes, no, yes]), 4);
        assert_eq!(lists(&[no, no]), 2);
        assert_eq!(lists(&[yes, None, yes, yes]), 2);
    }
}
