//! Lookups that come to nothing, and what is wrong with a gradient that is given.

use super::harness::{gpu, optimizer, ranks};
use sparse_adam::{AdamOptions, ParamId, Reduction};
use sparse_adam_mpi::{Error, Gradient, ShardedOptimizer, ShardedTable, Sums, Values, World};

fn two_tables(end: World) -> (ShardedOptimizer<World>, [ParamId; 2]) {
    let mut optimizer = optimizer(end);
    let table = |name: &str| ShardedTable::new(name, 10, &[2], |row, out| out.fill(row as f32));
    let group = optimizer.add_group(AdamOptions::default(), vec![table("a"), table("b")]).unwrap();
    let ids = optimizer.core().group_params(group).unwrap();
    (optimizer, [ids[0], ids[1]])
}

#[test]
fn of_a_lookup_that_is_forgotten_nothing_steps() {
    World::run(ranks(3), |end| {
        let (mut optimizer, [a, b]) = two_tables(end);
        for _ in 0..2 {
            let asked = optimizer.ask(&[(a, &[1, 2]), (b, &[3])]).unwrap();
            let looked = optimizer.rows(asked).unwrap();
            optimizer.forget(looked);
        }
        optimizer.step(&[(b, Gradient { ids: &[3], values: &[1.0; 2] })]).unwrap();
        assert_eq!(optimizer.core().step_count(a), Ok(0));
        assert_eq!(optimizer.core().step_count(b), Ok(1));
    });
}

/// What one rank gives wrongly is refused on all, and what follows works.
#[test]
fn a_gradient_that_does_not_fit_is_refused_on_all_ranks() {
    type Wrong = (fn(&wgpu::Buffer) -> Vec<Values>, fn(&Error) -> bool);
    let wrong: [Wrong; 3] = [
        (|_| vec![], |error| matches!(error, Error::WrongLength { expected: 1, found: 0, .. })),
        (
            |few| vec![Values::rows(few)],
            |error| matches!(error, Error::WrongLength { expected: 6, found: 4, .. }),
        ),
        (
            |few| vec![Values::bags(few, few, 2)],
            |error| matches!(error, Error::NoSuchBag { bags: 2, .. }),
        ),
    ];
    for (give, is_expected) in wrong {
        World::run(ranks(2), |end| {
            let (mut optimizer, [a, _]) = two_tables(end);
            let (few, good) = (gpu().upload("few", &[1.0f32; 4]), gpu().upload("v", &[1.0f32; 6]));
            for attempt in 0..2 {
                let asked = optimizer.ask(&[(a, &[1, 2, 1])]).unwrap();
                let looked = optimizer.rows(asked).unwrap();
                if attempt == 1 {
                    optimizer.give(looked, &[Values::rows(&good)]).unwrap();
                    optimizer.step(&[]).unwrap();
                } else if optimizer.rank() == 1 {
                    let error = optimizer.give(looked, &give(&few)).unwrap_err();
                    assert!(is_expected(&error), "{error}");
                } else {
                    let given = optimizer.give(looked, &[Values::rows(&good)]);
                    assert!(matches!(given, Err(Error::Peer { rank: 1, .. })), "{given:?}");
                }
            }
            assert_eq!(optimizer.core().step_count(a), Ok(1));
        });
    }
}

#[test]
fn what_was_given_is_forgotten_where_a_step_fails() {
    World::run(ranks(2), |end| {
        let (mut optimizer, [a, b]) = two_tables(end);
        let values = gpu().upload("v", &[1.0f32; 2]);
        let asked = optimizer.ask(&[(a, &[1])]).unwrap();
        let looked = optimizer.rows(asked).unwrap();
        optimizer.give(looked, &[Values::rows(&values)]).unwrap();
        let short = Gradient { ids: &[1], values: &[1.0] };
        assert!(optimizer.step(&[(b, short)]).is_err());
        optimizer.step(&[(b, Gradient { ids: &[1], values: &[1.0; 2] })]).unwrap();
        assert_eq!(optimizer.core().step_count(a), Ok(0));
        assert_eq!(optimizer.core().step_count(b), Ok(1));
    });
}

/// A gradient may be given before options that do not go with it are set.
#[test]
fn options_that_look_at_entries_are_refused_at_the_step_too() {
    World::run(ranks(2), |end| {
        let (optimizer, [a, _]) = two_tables(end);
        let mut optimizer = optimizer.sums(Sums::Chunks);
        let values = gpu().upload("v", &[1.0f32; 2]);
        let asked = optimizer.ask(&[(a, &[1])]).unwrap();
        let looked = optimizer.rows(asked).unwrap();
        optimizer.give(looked, &[Values::rows(&values)]).unwrap();
        let group = optimizer.core().group_of(a).unwrap();
        let mean = AdamOptions::default().duplicates(Reduction::Mean);
        optimizer.set_options(group, mean).unwrap();
        let stepped = optimizer.step(&[]);
        assert!(matches!(stepped, Err(Error::Unsupported { .. })), "{stepped:?}");
        let asked = optimizer.ask(&[(a, &[1])]).unwrap();
        let looked = optimizer.rows(asked).unwrap();
        let given = optimizer.give(looked, &[Values::rows(&values)]);
        assert!(matches!(given, Err(Error::Unsupported { .. })), "{given:?}");
    });
}

#[test]
fn ranks_that_ask_for_other_tables_are_told_so() {
    World::run(ranks(2), |end| {
        let (mut optimizer, [a, b]) = two_tables(end);
        let table = [a, b][optimizer.rank() as usize];
        let asked = optimizer.ask(&[(table, &[1])]).map(drop);
        assert!(matches!(asked, Err(Error::Disagree { .. })), "{asked:?}");
    });
}

/// Else owners would sum the entries of one table in another order than one device.
#[test]
fn ranks_that_give_two_lookups_the_other_way_round_are_told_so() {
    World::run(ranks(2), |end| {
        let (mut optimizer, [a, _]) = two_tables(end);
        let values = gpu().upload("v", &[1.0f32; 2]);
        let mut looked = [[1], [2]].map(|ids| {
            let asked = optimizer.ask(&[(a, &ids)]).unwrap();
            optimizer.rows(asked).unwrap()
        });
        if optimizer.rank() == 1 {
            looked.reverse();
        }
        let [first, second] = looked;
        let given = optimizer.give(first, &[Values::rows(&values)]);
        assert!(matches!(given, Err(Error::Disagree { .. })), "{given:?}");
        optimizer.forget(second);
    });
}
