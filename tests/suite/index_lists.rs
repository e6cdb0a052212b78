//! Index lists that several parameters have: as if each had been given a copy of its own.
//!
//! Other seeds each run; `SPARSE_ADAM_SEED` repeats one.

mod both;
pub(super) mod drawn;

use super::formats;
use super::many_tables::with_buffers;
use both::{Both, Described};
use drawn::{List, held};
use sparse_adam::reference::Gradient;
use sparse_adam::{
    AdamOptions, ClipGradNorm, Duplicates, Error, Format, GradValues, IndexList, NonFinite,
    ParamId, Status, Tuning,
};
use sparse_adam_testkit::campaign::fresh_seed;
use sparse_adam_testkit::headless::Gpu;
use sparse_adam_testkit::{Pair, Rng, Stored, drawn_variants, variants};

/// Row lengths of Gaussian splats, of embeddings, and others.
const DIMS: [usize; 8] = [3, 4, 1, 64, 8, 37, 2, 300];

/// Tables of as many rows, of some row lengths, formats and rules.
fn tables(rng: &mut Rng, rows: usize, kinds: &[(AdamOptions, Stored)]) -> Vec<Described> {
    let table = |rng: &mut Rng| {
        let (options, stored) = kinds[rng.below(kinds.len())];
        ((rows, DIMS[rng.below(DIMS.len())]), options, stored)
    };
    (0..1 + rng.below(6)).map(|_| table(rng)).collect()
}

/// Tables in one or two lists, of which one may be given something else before the step.
fn step(
    both: &mut Both,
    rng: &mut Rng,
    (clip, most): (Option<ClipGradNorm>, [usize; 4]),
    said: &mut String,
) {
    let (count, rows) = (both.tables.len(), both.tables[0].0.0);
    let mut grads: Vec<Option<Gradient<f32>>> = vec![None; count];
    for pair in [&mut both.shared, &mut both.apart] {
        pair.optimizer.clear_grads();
    }
    let (mut lists, of) = (Vec::new(), 1 + rng.below(2));
    let dealt: Vec<usize> = (0..count).map(|_| rng.below(of)).collect();
    for number in 0..of {
        let most = most[rng.below(4)];
        let nnz = rng.below(most + 1);
        let list = List::any(rng, rows, nnz);
        let mut taking: Vec<usize> = (0..count).filter(|&table| dealt[table] == number).collect();
        rng.shuffle(&mut taking);
        *said += &format!("; {taking:?} by {} entries, {list:?}", list.indices.len());
        for (table, grad) in both.set(rng, &list, &taking) {
            grads[table] = Some(grad);
        }
        lists.push(list);
    }
    let table = rng.below(2 * count);
    if table < count {
        let adds = rng.below(2) == 0 && lists[dealt[table]].accumulates();
        *said += &format!("; {table} has one of its own, beside: {adds}");
        let own = both.set_one(rng, table, adds);
        let earlier = grads[table].take().filter(|_| adds).unwrap_or_default();
        let indices = [earlier.indices, own.indices].concat();
        grads[table] = Some(Gradient { indices, values: [earlier.values, own.values].concat() });
    }
    both.step(&grads, clip);
}

#[test]
fn tables_that_share_a_list_equal_tables_that_do_not_and_their_twins() {
    let seed = fresh_seed();
    for (number, on) in (0..).zip(variants()) {
        let mut rng = Rng(seed ^ number << 40);
        let narrow = Stored::any(&mut rng);
        let kinds = [
            (rng.options(), Stored::default()),
            (rng.rule(AdamOptions::default().lr(0.01)), Stored::default()),
            // Twins know weighted values only, and entries are clipped before their weights.
            (formats::rule(&mut rng, narrow), narrow),
        ];
        // Each case takes kernels of its own, which take longest.
        for case in 0..2 {
            let most = [40, 3000][rng.below(2)];
            let rows = 1 + rng.below(most);
            let tables = tables(&mut rng, rows, &kinds);
            let first = rng.next();
            let [shared, apart] = [(); 2].map(|()| Pair::stored(on, &tables, &mut Rng(first)));
            let said = format!("SPARSE_ADAM_SEED={seed}, {number}/{case}, {tables:?}");
            let both = Both { shared, apart, tables };
            steps(both, &mut rng, [0, 1, 700, 5000], said);
        }
    }
}

/// Three steps, perhaps clipped by the norm.
fn steps(mut both: Both, rng: &mut Rng, most: [usize; 4], mut said: String) {
    let clip = (rng.below(3) == 0).then(|| ClipGradNorm::new(0.1 + rng.fraction()));
    for pair in [&mut both.shared, &mut both.apart] {
        pair.optimizer.set_clip_grad_norm(clip).unwrap();
    }
    for _ in 0..3 {
        step(&mut both, rng, (clip, most), &mut said);
        both.assert_same(&said);
    }
    both.shared.assert_equal(&said);
    both.shared.assert_inputs_whole(&said);
}

#[test]
fn tables_of_several_windows_share_a_list() {
    let gpu = formats::small();
    let mut rng = Rng(fresh_seed());
    for (_, tuning) in drawn_variants(&mut rng) {
        let kinds = [(rng.options(), Stored::default())];
        // Of bindings of 32 KiB, a table of rows of 16 is several, and so are values by row. Each kind of row takes kernels of its
        // own, which take longest. Scratch for all that a rule may ask of each entry of each table is within one binding too.
        let dims = [16, 16, 3];
        let tables: Vec<_> = dims[..1 + rng.below(3)]
            .iter()
            .map(|&dim| ((2500, dim), kinds[0].0, kinds[0].1))
            .collect();
        let first = rng.next();
        let [shared, apart] =
            [(); 2].map(|()| Pair::stored((&gpu, tuning), &tables, &mut Rng(first)));
        let id = shared.ids[0];
        assert!(shared.optimizer.regions(id).unwrap().len() > 1);
        let said = format!("{tables:?}");
        steps(Both { shared, apart, tables }, &mut rng, [1, 90, 250, 250], said);
    }
}

/// Pairs of `tables` tables of 50 rows, of the row lengths of Gaussian splats.
fn splats<'a>(on: (&'a Gpu, Tuning), tables: usize) -> Both<'a> {
    let table =
        |table| ((50, [3, 3, 4, 3, 1][table % 5]), AdamOptions::default(), Stored::default());
    let tables: Vec<Described> = (0..tables).map(table).collect();
    let [shared, apart] = [(); 2].map(|()| Pair::stored(on, &tables, &mut Rng(5)));
    Both { shared, apart, tables }
}

#[test]
fn every_table_of_a_list_counts_what_is_wrong_with_it() {
    for on in variants() {
        for (tables, nnz) in [(1, 90), (2, 90), (3, 1500), (4, 90), (7, 1500)] {
            let mut rng = Rng(nnz as u64);
            let mut both = splats(on, tables);
            let all: Vec<_> = (0..tables).collect();
            for step in 1..4 {
                let mut list = List::plain((0..nnz).map(|entry| entry % 52).collect());
                list.padding = Some(7);
                list.duplicates = Duplicates::NoneChecked;
                list.count = Some(nnz as u32 + 1);
                list.map = Some(((0..nnz as u32).collect(), nnz as usize - 1));
                both.set(&mut rng, &list, &all);
                both.step(&vec![None; tables], None);
                both.assert_same(&format!("{tables} tables, {nnz} entries, step {step}"));
                let named = |row: i64| (0..nnz).filter(|entry| entry % 52 == row).count() as u32;
                let in_rows = nnz as u32 - named(7) - named(50) - named(51);
                let mut expected = Status::default();
                expected.out_of_range = step * (named(50) + named(51));
                expected.padding = step * named(7);
                expected.over_capacity = step;
                // The last entry, which is of a row that is there.
                expected.bad_value_row = step;
                expected.repeated = step * (in_rows - 1 - 49);
                assert_eq!(both.shared.status(tables - 1), expected);
            }
        }
    }
}

/// Plain lists, which one dispatch takes with others, beside one another and beside gradients of their own.
#[test]
fn lists_beside_others_count_for_their_own_tables() {
    for on in variants() {
        let dealt: [(&[&[usize]], &[usize]); 4] = [
            (&[&[0, 1], &[2, 3]], &[4]),
            (&[&[1, 2]], &[0]),
            (&[&[0, 1]], &[2]),
            (&[&[2, 3], &[0, 4]], &[1]),
        ];
        for (number, (lists, own)) in dealt.into_iter().enumerate() {
            let mut both = splats(on, 5);
            let mut rng = Rng(number as u64);
            for step in 1..3 {
                for pair in [&mut both.shared, &mut both.apart] {
                    pair.optimizer.clear_grads();
                }
                for (first, taking) in lists.iter().enumerate() {
                    // Of 100 entries, as many are out of range as the list says.
                    let list = List::plain(
                        (0..100).map(|at| at % 50 + i64::from(at <= first as i64) * 50).collect(),
                    );
                    both.set(&mut rng, &list, taking);
                }
                own.iter().for_each(|&table| drop(both.set_one(&mut rng, table, false)));
                both.step(&[const { None }; 5], None);
                both.assert_same(&format!("{number}, step {step}"));
                for (first, taking) in lists.iter().enumerate() {
                    for &table in *taking {
                        let found = both.shared.status(table).out_of_range;
                        assert_eq!(found, step * (first as u32 + 1), "{number}: table {table}");
                    }
                }
                own.iter().for_each(|&table| assert_eq!(both.shared.status(table).out_of_range, 0));
            }
        }
    }
}

#[test]
fn values_that_are_not_finite_are_counted_for_the_table_that_has_them() {
    for on in variants() {
        let mut both = splats(on, 5);
        let mut rng = Rng(8);
        for nnz in [60, 2000] {
            let mut list = List::plain((0..nnz).map(|entry| entry % 50).collect());
            list.non_finite = NonFinite::Counted;
            let indices = list.index_list(&mut both.shared);
            let mut values = Vec::new();
            for table in 0..5 {
                let shape @ (_, dim) = both.tables[table].0;
                let mut drawn = list.values(&mut rng, shape, Format::F32);
                // Entry k of the first `table`, so that a column of it is infinite.
                (0..table).for_each(|entry| drawn[(entry + 1) * dim - 1] = f32::INFINITY);
                let id = both.shared.ids[table];
                values.push((id, held(&mut both.shared, &drawn, Format::F32)));
                both.set_apart(table, &list, &drawn);
            }
            both.shared.optimizer.set_grads(indices, values).unwrap();
            both.step(&[const { None }; 5], None);
        }
        for table in 0..5 {
            let [found, expected] = [&both.shared, &both.apart].map(|pair| pair.status(table));
            assert_eq!((found, found.non_finite), (expected, 2 * table as u32));
        }
    }
}

#[test]
fn tables_that_still_have_the_list_share_it() {
    // So few that no dispatch takes several tables, and their number tells: nor does one that takes in entries with a map.
    let gpu = with_buffers(4);
    for tuning in [Tuning::CPU, Tuning::GPU] {
        let mut both = splats((&gpu, tuning), 5);
        let mut rng = Rng(9);
        let mut list = List::plain(rng.gradient(50, 1, 2000).indices);
        list.map = Some(((0..2000).collect(), 2000));
        let dispatches = |both: &mut Both| {
            both.step(&[const { None }; 5], None);
            both.assert_same(&format!("{:?}", tuning.form));
            [&both.shared, &both.apart].map(|pair| pair.optimizer.dispatches())
        };
        both.set(&mut rng, &list, &[0, 1, 2, 3, 4]);
        let [all, alone] = dispatches(&mut both);
        assert!(all < alone, "{all} of {alone}");
        // The first, which took it in for the others, and one more.
        for (table, adds) in [(0, false), (3, true)] {
            both.set_one(&mut rng, table, adds);
            let [fewer, alone] = dispatches(&mut both);
            assert!(fewer < alone, "{fewer} of {alone}");
        }
        // Each in a list with no other.
        for table in 0..5 {
            both.set(&mut rng, &list, &[table]);
        }
        let [found, expected] = dispatches(&mut both);
        assert_eq!(found, expected);
    }
}

#[test]
fn steps_by_lists_of_one_size_make_nothing_anew() {
    // A device of its own: other tests make pipelines on the others.
    let gpu = with_buffers(8);
    for tuning in [Tuning::CPU, Tuning::GPU] {
        let mut both = splats((&gpu, tuning), 5);
        let list = List::plain((0..400).map(|entry| entry % 50).collect());
        let indices = list.index_list(&mut both.shared);
        let mut values = Vec::new();
        for table in 0..5 {
            let drawn = list.values(&mut Rng(4), both.tables[table].0, Format::F32);
            let id = both.shared.ids[table];
            values.push((id, held(&mut both.shared, &drawn, Format::F32)));
        }
        let mut made = Vec::new();
        for _ in 0..4 {
            let optimizer = &mut both.shared.optimizer;
            optimizer.set_grads(indices.clone(), values.clone()).unwrap();
            both.shared.submit_step();
            let held = both.shared.optimizer.resources();
            made.push((held.pipelines, held.bind_groups, held.scratch_bytes));
        }
        assert!(made[1..].iter().all(|later| *later == made[0]), "{made:?}");
    }
}

/// Calls that fail, each as values of the tables 0, 1 and 2 by a list, and whether it does for the reason expected.
type Wrong = (Vec<(ParamId, GradValues)>, fn(&Error) -> bool);

#[test]
fn a_list_that_is_refused_leaves_every_table_as_it_was() {
    let on = variants()[0];
    let tables = [(50, 3), (50, 4), (60, 3)];
    let mut pair = Pair::new(on, &tables, &[AdamOptions::default(); 3], &mut Rng(6));
    let other = Pair::single(on, 50, 3, &mut Rng(6));
    let grad = Rng(3).gradient(50, 3, 20);
    pair.set_grad(0, &grad);
    let dispatches = |pair: &mut Pair| {
        pair.submit_step();
        pair.optimizer.dispatches()
    };
    let expected = dispatches(&mut pair);
    let region = pair.hold(&[0f32; 400]);
    let values = || GradValues::from(&region);
    let small = || GradValues::new(region.clone());
    let short = GradValues::from(pair.hold(&[0f32; 3]));
    let [first, second, longer] = pair.ids[..] else { unreachable!() };
    let foreign = other.ids[0];
    let cases: [Wrong; 5] = [
        (
            vec![(first, values()), (longer, values())],
            |error| matches!(error, Error::InvalidShape { what, .. } if what.contains("p2")),
        ),
        (vec![(second, values()), (first, values()), (second, small())], |error| {
            matches!(error, Error::Unsupported { .. })
        }),
        (vec![(first, values()), (foreign, values())], |error| {
            matches!(error, Error::UnknownParam { .. })
        }),
        (
            vec![(first, values()), (second, short)],
            |error| matches!(error, Error::BufferTooSmall { what, .. } if what.contains("p1")),
        ),
        (vec![(first, values()), (second, GradValues::from(&pair.params[0].region))], |error| {
            matches!(error, Error::Overlap { .. })
        }),
    ];
    let ids = pair.hold(&[1u32; 20]);
    for (number, (values, is_expected)) in cases.into_iter().enumerate() {
        let refused = pair.optimizer.set_grads(IndexList::new(&ids, 20), values).unwrap_err();
        // Not the id of another optimizer's first parameter, which this one has too.
        assert!(is_expected(&refused), "{number}: {refused}");
        assert_eq!(dispatches(&mut pair), expected, "{number}");
    }
    for _ in 0..6 {
        pair.step_twin(0, &grad);
    }
    pair.assert_equal("after refusals");
    other.assert_equal("another optimizer's");
    let nobody: [(ParamId, GradValues); 0] = [];
    pair.optimizer.set_grads(IndexList::new(&ids, 20), nobody).unwrap();
    assert_eq!(dispatches(&mut pair), expected);
}
