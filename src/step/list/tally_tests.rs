use crate::step::demand::{Demand, Inspect, TableDemand};
use crate::step::layout::Keys;
use crate::step::list::tests::{demand, listed, stages};
use crate::step::list::{Bind, Dispatch};
use crate::step::plan::tests::{DEVICE, JOINS, step};
use crate::step::plan::{Small, TablePlan, plan};
use crate::step::stages::Stage;
use crate::{Form, Tuning};

/// `tables` tables that have one index list of `nnz` entries.
fn sharing(tables: u32, nnz: u32) -> Demand {
    let mut demand = demand(tables, 1, nnz);
    demand.tables[0].tallied = tables > 1;
    demand.tables[1..].iter_mut().for_each(|table| table.shares = Some(0));
    demand
}

fn count(list: &[Dispatch], stage: Stage) -> usize {
    list.iter().filter(|dispatch| dispatch.kernel.stage == stage).count()
}

#[test]
fn tables_of_one_list_have_its_keys_positions_and_terms() {
    let weighted = |dim| TableDemand { weighted: true, ..step(10, dim, 2000) };
    let third = TableDemand { shares: Some(1), ..weighted(3) };
    for tuning in [Tuning::CPU, Tuning::GPU] {
        let all = [step(7, 3, 2), weighted(64), third, step(1, 1, 9)];
        let plan = plan(&all, DEVICE, &tuning).unwrap();
        let [first, maker, taker, last] = &plan.tables[..] else { panic!("{plan:?}") };
        assert_eq!((taker.keys, taker.terms), (maker.keys, maker.terms));
        let Keys { first: position, end, base, sentinel } = maker.keys;
        assert_eq!((position, end, base, sentinel), (2, 2002, 8, 18));
        assert_eq!((last.keys.first, last.keys.base, first.keys.end), (2002, 19, 2));
        assert_eq!((plan.pairs, plan.sort.count), (2011, 2011));
        // Sums are each table's own.
        let sums = |at: &TablePlan| at.levels.iter().map(|level| level.sums).collect::<Vec<_>>();
        assert!(sums(maker).iter().all(|at| !sums(taker).contains(at)));
    }
}

#[test]
fn so_many_dispatches_take_five_tables_that_share_a_list_and_five_that_do_not() {
    // Of 4,096 and of 65,536 entries a table. Together there are an ingest and two tallies in place of five ingests, and
    // fewer bits and tiles to sort.
    for (tuning, alone, together) in
        [(Tuning::CPU, [22, 27], [17, 22]), (Tuning::GPU, [14, 26], [12, 22])]
    {
        let found = |of: fn(u32, u32) -> Demand| {
            [4096, 65_536].map(|nnz| listed(&of(5, nnz), &tuning).len())
        };
        assert_eq!(found(|tables, nnz| demand(tables, 1, nnz)), alone, "{:?}", tuning.form);
        assert_eq!(found(sharing), together, "{:?}", tuning.form);
    }
}

#[test]
fn a_small_step_of_five_tables_that_share_a_list_is_an_ingest_a_tally_and_updates() {
    let mut small = sharing(5, 100);
    small.tables.iter_mut().for_each(|table| table.one_list = Some(JOINS));
    for (tuning, way) in [(Tuning::CPU, Small::Serial), (Tuning::GPU, Small::Bitonic)] {
        let mut expected = vec![Stage::ingest(Some(way)), Stage::Tally, Stage::Tally];
        expected.extend([Stage::update(tuning.form); 5]);
        assert_eq!(stages(&listed(&small, &tuning)), expected);
    }
    // Where one is inspected, its pairs are looked at before they are sorted.
    small.tables[3].one_list = None;
    small.segments[3].inspect = Some(Inspect::Count);
    for tuning in [Tuning::CPU, Tuning::GPU] {
        let list = listed(&small, &tuning);
        assert_eq!([Stage::Ingest, Stage::Inspect].map(|stage| count(&list, stage)), [1, 1]);
    }
}

#[test]
fn what_is_counted_of_a_list_goes_to_the_status_of_each_table_once() {
    for tables in 2..9 {
        let mut shared = sharing(tables, 1000);
        shared.tables.iter_mut().for_each(|table| table.checked = true);
        let list = listed(&shared, &Tuning::GPU);
        assert_eq!([Stage::Ingest, Stage::Repeats].map(|stage| count(&list, stage)), [1, 1]);
        let tallies = list.iter().filter(|dispatch| dispatch.kernel.stage == Stage::Tally);
        let tally = Some(Bind::Tally { table: 0 });
        let bound = tallies.flat_map(|dispatch| {
            assert_eq!(dispatch.bound[0], tally);
            dispatch.bound[1..].iter().flatten().copied()
        });
        let told: Vec<_> = bound.filter(|bind| bind.table().is_some()).collect();
        let expected = (0..tables).map(|table| Bind::Status { table });
        assert_eq!(told, expected.collect::<Vec<_>>());
        let counts = list.iter().filter(|dispatch| dispatch.bound.contains(&tally)).count();
        assert_eq!(counts, 2 + tables.div_ceil(3) as usize, "ingest, repeats and tallies");
    }
}

#[test]
fn a_table_alone_with_its_list_has_no_tally() {
    for tuning in [Tuning::CPU, Tuning::GPU] {
        assert_eq!(listed(&sharing(1, 1000), &tuning), listed(&demand(1, 1, 1000), &tuning));
    }
}

#[test]
fn two_lists_are_taken_in_and_tallied_apart() {
    let mut four = demand(4, 1, 1000);
    (four.tables[0].tallied, four.tables[1].tallied) = (true, true);
    (four.tables[2].shares, four.tables[3].shares) = (Some(1), Some(0));
    let list = listed(&four, &Tuning::CPU);
    let tallies = list.iter().filter(|dispatch| dispatch.kernel.stage == Stage::Tally);
    let bound: Vec<_> = tallies.map(|dispatch| [0, 1, 2].map(|at| dispatch.bound[at])).collect();
    let status = |table| Some(Bind::Status { table });
    let tally = |table| Some(Bind::Tally { table });
    assert_eq!(bound, [[tally(0), status(0), status(3)], [tally(1), status(1), status(2)]]);
    assert_eq!(count(&list, Stage::Ingest), 2);
    assert_eq!(count(&list, Stage::update(Form::Serial)), 4);
}
