use super::*;
use crate::step::demand::{Demand, Pools};
use crate::step::list::tests::{demand, listed, stages};
use crate::step::plan::tests::DEVICE;
use crate::step::stages::{MOST_BINDINGS, Stage};
use crate::{Form, Tuning};

/// Where tables lie that have all in one buffer of each kind.
const POOLS: Pools = Pools { param: Some(0), state: Some(1), values: Some(2), status: Some(3) };

/// And that have all in buffers of their own: the library keeps statuses together.
const APART: Pools = Pools { param: None, state: None, values: None, ..POOLS };

/// The list of a demand on a device with so many storage buffers per dispatch, and its items.
fn merged_list(
    demand: &Demand,
    storage_buffers: usize,
    tuning: &Tuning,
) -> (Vec<Dispatch>, Vec<Item>) {
    let (mut list, mut items) = (listed(demand, tuning), Vec::new());
    merge(&mut list, &mut items, DeviceShape { storage_buffers, ..DEVICE });
    (list, items)
}

/// Of so many small tables, each of which has its own buffers.
fn list_of(tables: u32, storage_buffers: usize, tuning: &Tuning) -> (Vec<Dispatch>, Vec<Item>) {
    merged_list(&pooled(tables, |_| (APART, None)), storage_buffers, tuning)
}

/// What is asked for tables that lie where `pools` tells of each, and their indices.
fn pooled(tables: u32, pools: impl Fn(u32) -> (Pools, Option<u32>)) -> Demand {
    let mut demand = demand(tables, 1, 1000);
    for (number, table) in (0..).zip(&mut demand.tables) {
        table.pools = pools(number).0;
        demand.segments[number as usize].indices = pools(number).1;
    }
    demand
}

/// How many items each dispatch of a stage takes, and how many kinds of what they have lie in one binding.
fn taken(list: &[Dispatch], stage: Stage) -> Vec<(u32, usize)> {
    let of = |dispatch: &Dispatch| {
        (dispatch.items.map_or(1, |items| items.count), dispatch.kernel.pooled.count())
    };
    of_stage(list, stage).iter().map(of).collect()
}

fn of_stage(list: &[Dispatch], stage: Stage) -> Vec<Dispatch> {
    list.iter().copied().filter(|dispatch| dispatch.kernel.stage == stage).collect()
}

#[test]
fn so_many_dispatches_take_26_tables_where_so_many_buffers_may_be_bound() {
    let count = |buffers, tuning| list_of(26, buffers, &tuning).0.len();
    // Of an ingest, an index list per table; of an update on a GPU, three buffers.
    assert_eq!([1, 4, 8, 16].map(|buffers| count(buffers, Tuning::GPU)), [56, 43, 22, 14]);
    assert_eq!([1, 4, 8, 16].map(|buffers| count(buffers, Tuning::CPU)), [59, 46, 38, 36]);
    // One table, and one with a large gradient beside it, are as they were.
    assert_eq!(list_of(1, 8, &Tuning::GPU).1, []);
}

#[test]
fn where_there_are_arrays_so_many_dispatches_take_26_tables_of_their_own_buffers() {
    let listed_on = |array_elements, nnz, tuning: Tuning| {
        let mut demand = pooled(26, |_| (APART, None));
        for (table, segment) in demand.tables.iter_mut().zip(&mut demand.segments) {
            (table.nnz, table.value_rows) = (nnz, nnz);
            (segment.nnz, segment.value_rows) = (nnz, nnz);
        }
        let (mut list, mut items) = (listed(&demand, &tuning), Vec::new());
        merge(&mut list, &mut items, DeviceShape { array_elements, ..DEVICE });
        list
    };
    for (tuning, few, many) in [(Tuning::CPU, 9, 10), (Tuning::GPU, 6, 6)] {
        assert_eq!(listed_on(96, 1000, tuning).len(), few);
        // On CPU adapters there are chunks to be summed.
        let list = listed_on(96, 4096, tuning);
        assert_eq!(list.len(), many, "{:?}", stages(&list));
        for stage in [Stage::Ingest, Stage::partial(tuning.form), Stage::update(tuning.form)] {
            for dispatch in of_stage(&list, stage) {
                assert!(dispatch.kernel.in_arrays && dispatch.kernel.items == 32);
                // What is in arrays is bound by its items.
                let own = dispatch.kernel.own_places().count() - dispatch.kernel.arrays().count();
                assert_eq!(dispatch.bound.iter().flatten().count(), 1 + own);
            }
        }
    }
    // Too few for three arrays, but not for one.
    let list = listed_on(95, 4096, Tuning::CPU);
    assert_eq!(taken(&list, Stage::PartialSerial), [(26, 0)]);
    assert_eq!(taken(&list, Stage::UpdateSerial).len(), 26);
    assert_eq!(taken(&listed_on(31, 4096, Tuning::CPU), Stage::PartialSerial).len(), 26);
}

/// What reads the sums of the level below is not taken together with those.
#[test]
fn levels_of_sums_stay_dispatches_of_their_own_but_for_the_lowest() {
    let mut demand = pooled(3, |_| (POOLS, Some(4)));
    for (table, segment) in demand.tables.iter_mut().zip(&mut demand.segments) {
        (table.nnz, segment.nnz) = (300_000, 300_000);
    }
    for tuning in [Tuning::CPU, Tuning::GPU] {
        let mut list = listed(&demand, &tuning);
        merge(&mut list, &mut vec![], DEVICE);
        let sums = of_stage(&list, Stage::partial(tuning.form));
        let levels: Vec<_> = sums.iter().map(|of| (of.kernel.of_entries, of.items)).collect();
        let above = levels.iter().skip_while(|(of_entries, _)| *of_entries);
        assert!(above.clone().all(|&(_, items)| items.is_none()), "{levels:?}");
        // Two levels more of each of three tables.
        assert_eq!(above.count(), 6, "{levels:?}");
        assert!(levels.is_sorted_by_key(|(of_entries, _)| !of_entries));
    }
}

#[test]
fn windows_of_a_table_are_items_as_tables_are() {
    let demand = demand(1, 40, 1000);
    let mut list = listed(&demand, &Tuning::CPU);
    merge(&mut list, &mut vec![], DeviceShape { array_elements: 96, ..DEVICE });
    assert_eq!(taken(&list, Stage::UpdateSerial), [(32, 0), (8, 0)]);
}

#[test]
fn a_dispatch_takes_no_more_than_a_group_and_a_uniform_hold() {
    let list_on = |device| {
        let mut list = listed(&pooled(26, |_| (APART, None)), &Tuning::GPU);
        merge(&mut list, &mut vec![], device);
        list
    };
    let wide = DeviceShape { storage_buffers: 13, ..DEVICE };
    // A group's bindings end behind the first items' own, or before.
    let first = MOST_BINDINGS;
    let few = list_on(DeviceShape { group_bindings: first + 7, ..wide });
    assert_eq!(taken(&few, Stage::UpdateParallel)[..2], [(2, 0), (2, 0)]);
    let none = list_on(DeviceShape { group_bindings: first, ..wide });
    assert!(none.iter().all(|dispatch| dispatch.items.is_none()));
    // Or so many as a uniform has bytes for.
    let pools = |uniform_bytes| {
        let mut list = listed(&pooled(26, |_| (POOLS, Some(4))), &Tuning::GPU);
        merge(&mut list, &mut vec![], DeviceShape { uniform_bytes, ..DEVICE });
        taken(&list, Stage::UpdateParallel).len()
    };
    let item = size_of::<crate::step::layout::UpdateItem>();
    assert_eq!([26 * item, 13 * item, item].map(pools), [1, 2, 26]);
}

#[test]
fn tables_of_any_dims_are_updated_together_where_their_rows_are_moved_alike() {
    for (dims, tuning, dispatches) in [
        ([8, 32, 64, 304, 768, 1024], Tuning::GPU, 1),
        ([8, 32, 64, 304, 768, 1024], Tuning::CPU, 1),
        // Multiples of four, and others: those in between end a dispatch.
        ([8, 300, 3, 33, 4, 64], Tuning::GPU, 3),
    ] {
        let mut demand = pooled(6, |_| (POOLS, None));
        for (table, dim) in demand.tables.iter_mut().zip(dims) {
            table.geometry.dim = dim;
        }
        let (list, _) = merged_list(&demand, 16, &tuning);
        let stage = Stage::update(tuning.form);
        let count: u32 = taken(&list, stage).iter().map(|(items, _)| items).sum();
        assert_eq!((count, of_stage(&list, stage).len()), (6, dispatches), "{dims:?}, {tuning:?}");
    }
}

#[test]
fn every_dispatch_is_an_item_once_with_all_that_it_bound() {
    for (buffers, form) in [(8, Form::Parallel), (16, Form::Parallel), (16, Form::Serial)] {
        let tuning = if form == Form::Serial { Tuning::CPU } else { Tuning::GPU };
        let mut five = demand(5, 3, 1000);
        five.tables.iter_mut().for_each(|table| table.pools = APART);
        let alone = listed(&five, &tuning);
        let (mut list, mut items) = (alone.clone(), vec![]);
        merge(&mut list, &mut items, DeviceShape { storage_buffers: buffers, ..DEVICE });
        let mut expected = alone.iter();
        for dispatch in &list {
            let Some(Items { first, count }) = dispatch.items else {
                assert_eq!(Some(dispatch), expected.next());
                continue;
            };
            let mut workgroups = 0;
            let own = dispatch.kernel.own_places().count();
            let mut apart = dispatch.bound[1 + dispatch.kernel.pooled.count()..].iter();
            for item in &items[first as usize..][..count as usize] {
                let one = expected.next().unwrap();
                assert_eq!((item.config, item.second), (one.config, one.second));
                assert_eq!(item.first_workgroup, workgroups);
                workgroups += one.launch.grid.x;
                let bound: Vec<_> = one.kernel.own_places().map(|place| one.bound[place]).collect();
                assert_eq!(item.own[..own], *bound);
                for (number, bind) in (0..).zip(bound) {
                    if !dispatch.kernel.pooled.has(number) {
                        assert_eq!(apart.next(), Some(&bind));
                    }
                }
                assert_eq!(dispatch.bound[0], one.bound[one.kernel.shared_place().unwrap()]);
                assert!(dispatch.launch.turns > one.launch.turns);
            }
            assert_eq!(dispatch.launch.grid, Grid { x: workgroups, y: 1 });
            let bound: Vec<_> = dispatch.bound.iter().flatten().collect();
            let pooled = dispatch.kernel.pooled.count();
            assert_eq!(bound.len(), 1 + pooled + (own - pooled) * dispatch.kernel.items as usize);
            assert!(bound.len() <= buffers);
        }
        assert_eq!(expected.next(), None);
    }
}

#[test]
fn a_dispatch_with_room_binds_stand_ins_that_do_not_overlap() {
    let (list, _) = list_of(4, 10, &Tuning::GPU);
    let updates = of_stage(&list, Stage::UpdateParallel);
    assert_eq!(updates.iter().map(|of| of.items.unwrap().count).collect::<Vec<_>>(), [3, 1]);
    let mut bound: Vec<_> = updates[1].bound.iter().flatten().collect();
    assert_eq!(bound.len(), 10);
    bound.dedup();
    let stand_ins = bound.iter().filter(|bind| matches!(bind, Bind::Placeholder(_))).count();
    assert_eq!((bound.len(), stand_ins), (10, 6));
}

#[test]
fn what_differs_is_not_merged() {
    let mut demand = pooled(6, |_| (APART, None));
    demand.tables[1].geometry.dim = 3;
    demand.tables[2].rule.variant = 1;
    demand.segments[3].counted = true;
    demand.segments[4].nnz = 1 << 22;
    demand.tables[4].nnz = 1 << 22;
    let alone = listed(&demand, &Tuning::GPU);
    let (mut list, mut items) = (alone.clone(), vec![]);
    merge(&mut list, &mut items, DeviceShape { storage_buffers: 8, ..DEVICE });
    // Of the entries, the first three tables': of the updates, none lie beside one of their kernel but the last three, of which the
    // fifth is large.
    let merged = list.iter().filter(|dispatch| dispatch.items.is_some());
    let counts: Vec<_> = merged.map(|of| (of.kernel.stage, of.items.unwrap().count)).collect();
    assert_eq!(counts, [(Stage::Ingest, 3)], "{:?}", stages(&list));
}

#[test]
fn tables_in_one_buffer_of_each_kind_take_one_dispatch_of_each_stage() {
    let all = pooled(26, |_| (POOLS, Some(4)));
    for (buffers, tuning) in [(4, Tuning::GPU), (13, Tuning::GPU)] {
        let (list, items) = merged_list(&all, buffers, &tuning);
        assert_eq!((list.len(), items.len()), (6, 52), "{:?}", stages(&list));
        let stretches = |stage| {
            let bound = of_stage(&list, stage)[0].bound.into_iter().flatten();
            bound.filter(|bind| matches!(bind, Bind::Stretch(_))).collect::<Vec<_>>()
        };
        assert_eq!(stretches(Stage::Ingest), [0, 1].map(Bind::Stretch));
        assert_eq!(stretches(Stage::UpdateParallel), [0, 1, 2].map(Bind::Stretch));
    }
    assert_eq!(merged_list(&all, 4, &Tuning::CPU).0.len(), 9);
    // On CPU adapters those that would have to choose are not taken together.
    let apart = pooled(26, |_| (Pools { values: None, ..POOLS }, Some(4)));
    assert_eq!(merged_list(&apart, 13, &Tuning::CPU).0.len(), 34);
    // A kernel takes so many at most.
    let list = merged_list(&pooled(70, |_| (POOLS, Some(4))), 4, &Tuning::GPU).0;
    assert_eq!(taken(&list, Stage::UpdateParallel), [(32, 3), (32, 3), (6, 3)]);
}

#[test]
fn what_lies_apart_has_bindings_of_its_own_beside_what_does_not() {
    let apart = Pools { values: None, ..POOLS };
    let list = merged_list(&pooled(11, |_| (apart, None)), 8, &Tuning::GPU).0;
    // Of eight, one has the pairs, and two what all have together; of an ingest, one.
    assert_eq!(taken(&list, Stage::UpdateParallel), [(5, 2), (5, 2), (1, 2)]);
    assert_eq!(taken(&list, Stage::Ingest), [(6, 1), (5, 1)]);
    // With four there is no room for two.
    let list = merged_list(&pooled(3, |_| (apart, None)), 4, &Tuning::GPU).0;
    assert_eq!(taken(&list, Stage::UpdateParallel), [(1, 0), (1, 0), (1, 0)]);
}

#[test]
fn tables_of_several_buffers_are_taken_by_as_many_dispatches() {
    let of = |table: u32| Pools { param: Some(10 + table / 4), ..POOLS };
    let list = merged_list(&pooled(10, |table| (of(table), Some(4))), 4, &Tuning::GPU).0;
    assert_eq!(taken(&list, Stage::UpdateParallel), [(4, 3), (4, 3), (2, 3)]);
    // By turns, they are no neighbours.
    let of = |table: u32| Pools { param: Some(10 + table % 2), ..POOLS };
    let list = merged_list(&pooled(4, |table| (of(table), Some(4))), 4, &Tuning::GPU).0;
    assert_eq!(taken(&list, Stage::UpdateParallel), [(1, 0); 4]);
    let list = merged_list(&pooled(4, |table| (of(table), Some(4))), 8, &Tuning::GPU).0;
    assert_eq!(taken(&list, Stage::UpdateParallel), [(2, 0), (2, 0)]);
}

#[test]
fn where_bindings_may_not_overlap_those_do_not() {
    let device = DeviceShape { storage_buffers: 8, may_overlap: false, ..DEVICE };
    let taken_of = |pools: Pools, indices| {
        let mut list = listed(&pooled(5, |_| (pools, indices)), &Tuning::GPU);
        merge(&mut list, &mut vec![], device);
        [Stage::Ingest, Stage::UpdateParallel].map(|stage| taken(&list, stage))
    };
    assert_eq!(taken_of(POOLS, Some(4)), [vec![(5, 2)], vec![(5, 3)]]);
    // Parameters and values of one buffer: from first to last they overlap.
    let one = Pools { values: POOLS.param, ..POOLS };
    assert_eq!(taken_of(one, POOLS.param), [vec![(5, 2)], vec![(1, 0); 5]]);
    // Bindings that are each table's own might.
    let apart = Pools { values: None, ..POOLS };
    assert_eq!(taken_of(apart, None), [[(1, 0); 5], [(1, 0); 5]]);
}

#[test]
fn a_grid_holds_all_workgroups_that_are_taken_together() {
    let device = DeviceShape { max_workgroups: 40, ..DEVICE };
    let mut list = listed(&pooled(6, |_| (POOLS, Some(4))), &Tuning::GPU);
    let each = of_stage(&list, Stage::UpdateParallel)[0].launch.grid.x;
    merge(&mut list, &mut vec![], device);
    for update in of_stage(&list, Stage::UpdateParallel) {
        assert!(update.launch.grid.x <= 40);
        assert_eq!(update.items.map_or(1, |items| items.count), (40 / each).clamp(1, 6));
    }
}

#[test]
fn scalars_stay_the_last_that_is_bound() {
    let mut demand = demand(4, 1, 1000);
    demand.tables.iter_mut().for_each(|table| table.rule.variant |= crate::rule::SCALARS);
    let (mut list, mut items) = (listed(&demand, &Tuning::GPU), vec![]);
    merge(&mut list, &mut items, DeviceShape { storage_buffers: 8, ..DEVICE });
    for update in of_stage(&list, Stage::UpdateParallel) {
        let bound: Vec<_> = update.bound.iter().flatten().collect();
        assert_eq!((bound.len(), bound[7]), (8, &Bind::Scalars));
    }
}

#[test]
fn pairs_that_are_sorted_and_pairs_that_are_not_stay_apart() {
    let apart = [(Bind::Pairs, 2), (Bind::Sorted, 2), (Bind::Pairs, 2)];
    // Of 6,000 keys, two passes bring the pairs back to where they began; of 100,000, three do not.
    for (rows, expected) in [(1000, vec![(Bind::Sorted, 6)]), (16_667, apart.to_vec())] {
        let mut demand = pooled(6, |_| (APART, None));
        for (table, asked) in demand.tables.iter_mut().enumerate() {
            asked.geometry.rows = rows;
            asked.geometry.axes[0] = rows;
            asked.promised = (2..4).contains(&table);
            asked.first_wins = asked.promised;
        }
        let (mut list, mut items) = (listed(&demand, &Tuning::GPU), vec![]);
        merge(&mut list, &mut items, DeviceShape { storage_buffers: 13, ..DEVICE });
        let ingests = of_stage(&list, Stage::Ingest);
        let found: Vec<_> =
            ingests.iter().map(|of| (of.bound[0].unwrap(), of.items.unwrap().count)).collect();
        assert_eq!(found, expected);
    }
}
