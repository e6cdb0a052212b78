//! Tables of one folder: their checkpoints are one.

use super::*;

#[test]
fn campaign_crashes_leave_all_tables_of_a_group_at_one_checkpoint() {
    let budget = Budget::new();
    let mut rng = Rng(budget.seed);
    let (mut runs, mut crashes) = (0u64, 0u64);
    while budget.is_left() || runs < 20 {
        runs += 1;
        crashes += group_run(&mut rng);
    }
    println!("campaign: crashes of a group: runs {runs}, crashes {crashes}, wrong 0");
}

const NAMES: [&str; 3] = ["users", "items", "a-b_c"];

/// A run of writes to three tables and of their checkpoints, and crashes anywhere in it.
fn group_run(rng: &mut Rng) -> u64 {
    let (disk, rows) = (Ram::default(), [0; 3].map(|_| 1 + rng.below(30) as u64));
    let group = FileGroup::on(on(&disk).unwrap());
    let stores: Vec<_> = NAMES
        .iter()
        .zip(rows)
        .map(|(name, rows)| opened(&group.journal, name, rows).unwrap())
        .collect();
    let mut models = vec![Model::new(); 3];
    let mut checkpoints = vec![(disk.done(), disk.done(), 0, models.clone())];
    for steps in 1..6 {
        for _ in 0..rng.below(12) {
            let table = rng.below(3);
            write(rng, &stores[table], &mut models[table]).unwrap();
        }
        let began = disk.done();
        let sealed = stores.iter().map(|store| store.seal(mark(steps)).unwrap()).collect();
        seal::checkpoint(&group.journal, sealed).unwrap();
        checkpoints.push((began, disk.done(), steps, models.clone()));
    }
    drop((stores, group));
    for _ in 0..12 {
        let at = checkpoints[0].0 + rng.below(disk.done() - checkpoints[0].0 + 1);
        check_group(&disk.crashed(at, rng), rows, at, &checkpoints);
    }
    12
}

/// Checks that what a crash has left of three tables is one checkpoint, no older than the last that had ended.
fn check_group(left: &Ram, rows: [u64; 3], at: usize, all: &[(usize, usize, u64, Vec<Model>)]) {
    let journal = on(left).unwrap();
    let stores = NAMES.iter().zip(rows).map(|(name, rows)| opened(&journal, name, rows).unwrap());
    let stores: Vec<_> = stores.collect();
    let steps = |store: &FileStore| store.mark().map_or(0, |mark| mark.steps);
    let steps: Vec<_> = stores.iter().map(steps).collect();
    assert!(steps.iter().all(|&of| of == steps[0]), "tables at {steps:?}");
    let last = all.iter().filter(|checkpoint| checkpoint.1 <= at).map(|held| held.2).max();
    assert!(last.is_none_or(|last| last <= steps[0]), "checkpoint {last:?} is lost: {steps:?}");
    let (.., models) = all.iter().find(|held| held.2 == steps[0]).unwrap();
    stores.iter().zip(models).for_each(|(store, model)| check(store, model));
}

#[test]
fn a_group_takes_its_own_tables_alone_and_each_once() {
    let disk = Ram::default();
    let group = FileGroup::on(on(&disk).unwrap());
    let layout = layout();
    let open = |name: &str| group.store(name, 5, layout, |_, _| {});
    for name in ["", "a/b", "a.b", "é"] {
        assert!(matches!(open(name), Err(Error::Unsupported { .. })), "{name}");
    }
    let users = open("users").unwrap();
    assert!(matches!(open("users"), Err(Error::Unsupported { .. })));
    let alone = users.checkpoint(mark(1));
    assert!(matches!(alone, Err(Error::Unsupported { .. })), "{alone:?}");
    group.check([&users].into_iter()).unwrap();
    let items = open("items").unwrap();
    let one = group.check([&users].into_iter());
    assert!(matches!(one, Err(Error::Mismatch { .. })), "{one:?}");
    group.check([&items, &users].into_iter()).unwrap();
    let other = FileGroup::on(on(&Ram::default()).unwrap());
    let others = other.store("items", 5, layout, |_, _| {}).unwrap();
    let mixed = group.check([&others, &users].into_iter());
    assert!(matches!(mixed, Err(Error::Mismatch { .. })), "{mixed:?}");
    drop((users, items));
    open("users").unwrap();
}

/// Not every disk tells letters apart by their case, and a table without a name has the folder for itself.
#[test]
fn tables_that_would_share_files_are_refused() {
    let disk = Ram::default();
    let group = FileGroup::on(on(&disk).unwrap());
    let _users = opened(&group.journal, "users", 3).unwrap();
    for name in ["Users", ""] {
        let found = opened(&group.journal, name, 3);
        assert!(matches!(found, Err(Error::Unsupported { .. })), "{name:?}");
    }
}
