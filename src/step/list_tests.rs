use super::*;
use crate::step::access::Values;
use crate::step::demand::ValueOrigin;
use crate::step::plan::plan;
use crate::step::plan::tests::{ADAM_RULE, DEVICE, JOINS, step};
use crate::step::stages::Stage;
use crate::{Form, IndexDtype, NormType};

/// `tables` tables of 1,000 x 64, each in `windows` windows, with `nnz` entries each.
pub(super) fn demand(tables: u32, windows: u32, nnz: u32) -> Demand {
    let mut demand = Demand::default();
    for table in 0..tables {
        let windows = windows as usize;
        demand.tables.push(TableDemand { table, windows, ..step(1000, 64, nnz) });
        demand.segments.push(Segment {
            nnz,
            entry_base: 0,
            value_base: 0,
            value_rows: nnz,
            index_dtype: IndexDtype::U32,
            origin: ValueOrigin::Entry,
            plain: true,
            has_weights: false,
            counted: false,
            inspect: None,
            padding_row: None,
            indices: None,
        });
        let rows = 1000 / windows as u32;
        let window = |number| Window { first_row: number * rows, rows };
        demand.windows.extend((0..windows as u32).map(window));
    }
    demand
}

pub(super) fn listed(demand: &Demand, tuning: &Tuning) -> Vec<Dispatch> {
    let plan = plan(&demand.tables, DEVICE, tuning).unwrap();
    let mut out = Vec::new();
    list(demand, &plan, (DEVICE, tuning), &mut out);
    out
}

pub(super) fn stages(list: &[Dispatch]) -> Vec<Stage> {
    list.iter().map(|dispatch| dispatch.kernel.stage).collect()
}

#[test]
fn so_many_dispatches_take_one_table_26_and_200() {
    let count = |tables, tuning| listed(&demand(tables, 1, 1000), &tuning).len();
    // A table's ingest and update; for all together a pass of the sort per digit: of 12 bits three dispatches, and
    // the lists of heads; on a GPU, of 8 bits, two, or three where there are many tiles.
    assert_eq!([1, 26, 200].map(|tables| count(tables, Tuning::CPU)), [6, 59, 407]);
    assert_eq!([1, 26, 200].map(|tables| count(tables, Tuning::GPU)), [6, 56, 409]);
}

#[test]
fn a_small_step_is_an_ingest_and_an_update() {
    let mut small = demand(1, 1, 100);
    small.tables[0].one_list = Some(JOINS);
    let list = listed(&small, &Tuning::CPU);
    assert_eq!(stages(&list), [Stage::IngestSmallSerial, Stage::UpdateSerial]);
    let list = listed(&small, &Tuning::GPU);
    assert_eq!(stages(&list), [Stage::IngestSmallParallel, Stage::UpdateParallel]);
}

#[test]
fn a_norm_takes_two_dispatches_a_table_and_one() {
    let asked = NormDemand { norm_type: NormType::Two, most: 1f32.to_bits() };
    // On GPUs what is measured is summed before, however few entries there are.
    for (tuning, partials) in [(Tuning::CPU, 0), (Tuning::GPU, 3)] {
        let mut three = demand(3, 2, 1000);
        let without = listed(&three, &tuning);
        three.clip_by(Some(asked));
        let with = listed(&three, &tuning);
        let squares = Stage::squares(tuning.form);
        let mut expected = stages(&without);
        let updates = expected.split_off(without.len() - 6);
        expected.extend([Stage::partial(tuning.form)].repeat(partials));
        expected.extend([
            squares,
            squares,
            squares,
            Stage::NormSum,
            Stage::NormSum,
            Stage::NormSum,
        ]);
        expected.push(Stage::NormFactor);
        expected.extend(updates);
        assert_eq!(stages(&with), expected);
        let mut none = Demand::default();
        none.clip_by(Some(asked));
        assert_eq!(stages(&listed(&none, &tuning)), [Stage::NormFactor]);
    }
}

#[test]
fn an_update_reads_scalars_as_the_norm_left_them() {
    let mut one = demand(1, 1, 100);
    one.tables[0].rule.variant |= crate::rule::SCALARS;
    let read = |demand: &Demand| listed(demand, &Tuning::GPU).pop().unwrap().bound;
    assert!(read(&one).contains(&Some(Bind::Scalars)));
    one.clip_by(Some(NormDemand { norm_type: NormType::One, most: 1f32.to_bits() }));
    assert!(read(&one).contains(&Some(Bind::Clipped)));
    let list = listed(&one, &Tuning::GPU);
    let factor = list.iter().find(|dispatch| dispatch.kernel.stage == Stage::NormFactor).unwrap();
    assert_eq!(factor.bound[..2], [Some(Bind::Norm), Some(Bind::Scalars)]);
}

#[test]
fn every_window_of_a_table_is_updated_by_its_rule() {
    for tuning in [Tuning::CPU, Tuning::GPU] {
        let list = listed(&demand(2, 4, 1000), &tuning);
        let update = Stage::update(tuning.form);
        let updates = list.iter().filter(|dispatch| dispatch.kernel.stage == update);
        let bound: Vec<_> = updates
            .map(|dispatch| {
                assert_eq!(dispatch.kernel.rule, Some(ADAM_RULE));
                (dispatch.bound[0], dispatch.bound[1], dispatch.second)
            })
            .collect();
        let expected = (0..2).flat_map(|table| {
            (0..4).map(move |window| {
                let param = Some(Bind::Param { table, window });
                (param, Some(Bind::State { table, window }), Some(Second::Rule { table }))
            })
        });
        assert_eq!(bound, expected.collect::<Vec<_>>());
    }
}

#[test]
fn what_is_read_was_written_by_an_earlier_dispatch() {
    let list = listed(&demand(3, 1, 5000), &Tuning::GPU);
    let mut at = Bind::Pairs;
    for dispatch in &list {
        match dispatch.kernel.stage {
            Stage::Ingest => at = dispatch.bound[2].unwrap(),
            Stage::SortParallelHistogram => assert_eq!(dispatch.bound[0], Some(at)),
            Stage::SortParallelScatter => {
                assert_eq!(dispatch.bound[0], Some(at));
                at = dispatch.bound[1].unwrap();
            }
            _ => {}
        }
    }
    assert_eq!(at, Bind::Sorted, "the sort ends where the sums and updates read");
}

#[test]
fn every_dispatch_binds_what_its_stage_does() {
    let mut all = demand(1, 2, 5000);
    all.tables[0].weighted = true;
    all.tables[0].checked = true;
    all.segments[0].has_weights = true;
    all.segments[0].counted = true;
    all.segments[0].inspect = Some(crate::step::demand::Inspect::Skip);
    all.clip_by(Some(NormDemand { norm_type: NormType::Two, most: 1f32.to_bits() }));
    for tuning in [Tuning::CPU, Tuning::GPU] {
        let list = listed(&all, &tuning);
        for dispatch in &list {
            let spec = dispatch.kernel.stage.spec();
            let uniforms = 1 + usize::from(dispatch.second.is_some());
            let storage = dispatch.bound.iter().flatten().count();
            let scalars = usize::from(dispatch.kernel.reads_scalars());
            let expected = spec.bound.len() + dispatch.kernel.value_bindings() + scalars;
            assert_eq!(uniforms + storage, expected, "{}", spec.label);
        }
        let form = tuning.form;
        let of_form = |stage: &Stage| !matches!(stage, Stage::Heads) || form == Form::Serial;
        for stage in [Stage::Weigh, Stage::Inspect, Stage::Repeats, Stage::Heads] {
            let found = stages(&list).contains(&stage);
            assert_eq!(found, of_form(&stage), "{stage:?} in {form:?}");
        }
    }
}

#[test]
fn values_beyond_one_binding_span_windows() {
    let mut large = demand(1, 1, 2_000_000);
    large.tables[0].value_rows = 2_000_000;
    let list = listed(&large, &Tuning::GPU);
    let update = list.last().unwrap();
    assert_eq!(update.kernel.access.values, Values::Windows);
    let windows: Vec<_> = update.bound.iter().flatten().skip(3).collect();
    let rows = windows.iter().map(|bind| match bind {
        Bind::Values { rows, .. } => *rows,
        _ => 0,
    });
    assert_eq!(rows.sum::<u32>(), 2_000_000);
    assert_eq!(windows.len(), VALUE_WINDOWS);
    assert_eq!(windows.last(), Some(&&Bind::Placeholder(4)));
}
