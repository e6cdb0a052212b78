use super::*;
use crate::step::list::tests::{demand, listed, stages};
use crate::step::plan::tests::DEVICE;
use crate::step::stages::Stage;
use crate::{Form, Tuning};

/// The list of so many small tables on a device with so many storage buffers per dispatch, and its items.
fn list_of(tables: u32, storage_buffers: usize, tuning: &Tuning) -> (Vec<Dispatch>, Vec<Item>) {
    let (mut list, mut items) = (listed(&demand(tables, 1, 1000), tuning), Vec::new());
    merge(&mut list, &mut items, DeviceShape { storage_buffers, ..DEVICE });
    (list, items)
}

fn of_stage(list: &[Dispatch], stage: Stage) -> Vec<Dispatch> {
    list.iter().copied().filter(|dispatch| dispatch.kernel.stage == stage).collect()
}

#[test]
fn so_many_dispatches_take_26_tables_where_so_many_buffers_may_be_bound() {
    let count = |buffers, tuning| list_of(26, buffers, &tuning).0.len();
    // Of an ingest, an index list and a status per table; of an update on a GPU, three buffers.
    assert_eq!([1, 4, 8, 16].map(|buffers| count(buffers, Tuning::GPU)), [56, 56, 26, 16]);
    assert_eq!([1, 4, 8, 16].map(|buffers| count(buffers, Tuning::CPU)), [59, 59, 42, 38]);
    // One table, and one with a large gradient beside it, are as they were.
    assert_eq!(list_of(1, 8, &Tuning::GPU).1, []);
}

#[test]
fn every_dispatch_is_an_item_once_with_all_that_it_bound() {
    for (buffers, form) in [(8, Form::Parallel), (16, Form::Parallel), (16, Form::Serial)] {
        let tuning = if form == Form::Serial { Tuning::CPU } else { Tuning::GPU };
        let alone = listed(&demand(5, 3, 1000), &tuning);
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
            for (number, item) in items[first as usize..][..count as usize].iter().enumerate() {
                let one = expected.next().unwrap();
                assert_eq!((item.config, item.second), (one.config, one.second));
                assert_eq!(item.first_workgroup, workgroups);
                workgroups += one.launch.grid.x;
                let bound: Vec<_> = one.kernel.own_places().map(|place| one.bound[place]).collect();
                assert_eq!(dispatch.bound[1 + number * own..][..own], *bound);
                assert_eq!(dispatch.bound[0], one.bound[one.kernel.shared_place().unwrap()]);
                assert!(dispatch.launch.turns > one.launch.turns);
            }
            assert_eq!(dispatch.launch.grid, Grid { x: workgroups, y: 1 });
            let bound: Vec<_> = dispatch.bound.iter().flatten().collect();
            assert_eq!(bound.len(), 1 + own * dispatch.kernel.items as usize);
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
    let mut demand = demand(6, 1, 1000);
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
        let mut demand = demand(6, 1, 1000);
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
