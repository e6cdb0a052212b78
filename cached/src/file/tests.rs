//! A store on a disk that crashes, is full, is read-only, or was altered.

mod groups;

use super::ram::Ram;
use super::*;
use sparse_adam_testkit::Rng;
use sparse_adam_testkit::campaign::Budget;
use std::collections::BTreeMap;

/// What a store should hold.
type Model = BTreeMap<u64, Vec<u8>>;

fn layout() -> Layout {
    Layout::new(8, 16, 4).unwrap()
}

fn init() -> Init {
    Init::new(|row, weights| weights.fill(row as u8))
}

fn open(disk: &Ram, rows: u64) -> Result<FileStore, Error> {
    opened(&on(disk)?, "", rows)
}

/// The manifests of a disk.
fn on(disk: &Ram) -> Result<Arc<Journal>, Error> {
    Ok(Arc::new(Journal::open(Arc::new(disk.clone()))?))
}

fn opened(journal: &Arc<Journal>, name: &str, rows: u64) -> Result<FileStore, Error> {
    Ok(FileStore::on(journal, name, (rows, layout()), init())?.fold_from(600))
}

fn first(row: u64) -> Vec<u8> {
    let mut record = vec![0; layout().bytes()];
    record[..8].fill(row as u8);
    record
}

fn mark(steps: u64) -> Mark {
    Mark::new(steps, "{}", format!("step {steps}"))
}

/// Writes some rows, a row perhaps with zeros alone, which is not the same as none.
fn write(rng: &mut Rng, store: &FileStore, model: &mut Model) -> Result<(), Error> {
    let mut rows: Vec<u64> =
        rng.permutation(store.rows() as usize).iter().map(|&r| r as u64).collect();
    rows.truncate(1 + rng.below(8));
    let byte = |rng: &mut Rng, zero: bool| if zero { 0 } else { rng.next() as u8 };
    let records: Vec<u8> = rows
        .iter()
        .flat_map(|_| {
            let zero = rng.below(5) == 0;
            (0..layout().bytes()).map(|_| byte(rng, zero)).collect::<Vec<_>>()
        })
        .collect();
    store.write(&rows, &records)?;
    model.extend(rows.into_iter().zip(records.chunks(layout().bytes()).map(<[u8]>::to_vec)));
    Ok(())
}

fn check(store: &FileStore, model: &Model) {
    let rows: Vec<u64> = (0..store.rows()).collect();
    let mut records = vec![0; rows.len() * layout().bytes()];
    store.read(&rows, &mut records).unwrap();
    for (row, found) in rows.iter().zip(records.chunks(layout().bytes())) {
        let expected = model.get(row).cloned().unwrap_or_else(|| first(*row));
        assert_eq!(found, expected, "row {row}");
    }
}

#[test]
fn campaign_crashes_at_any_byte() {
    let budget = Budget::new();
    let mut rng = Rng(budget.seed);
    let (mut runs, mut crashes) = (0u64, 0u64);
    while budget.is_left() || runs < 20 {
        runs += 1;
        crashes += crash_run(&mut rng);
    }
    println!("campaign: crashes of a store: runs {runs}, crashes {crashes}, wrong 0");
}

/// A run of writes and checkpoints, crashes anywhere in it, and what follows on one of them.
fn crash_run(rng: &mut Rng) -> u64 {
    let rows = 1 + rng.below(40) as u64;
    let mut disk = Ram::default();
    let mut model = Model::new();
    let mut steps = 0;
    let mut crashes = 0;
    for _ in 0..3 {
        let store = open(&disk, rows).unwrap();
        check(&store, &model);
        assert_eq!(store.mark().map_or(0, |mark| mark.steps), steps);
        // What was done when each checkpoint began and ended, and what it is of.
        let mut checkpoints = vec![(disk.done(), disk.done(), steps, model.clone())];
        for _ in 0..rng.below(30) {
            if rng.below(4) == 0 {
                steps += 1;
                let began = disk.done();
                store.checkpoint(mark(steps)).unwrap();
                checkpoints.push((began, disk.done(), steps, model.clone()));
            } else {
                write(rng, &store, &mut model).unwrap();
                check(&store, &model);
            }
        }
        drop(store);
        let opened = checkpoints[0].0;
        let mut chosen = None;
        for _ in 0..6 {
            let at = opened + rng.below(disk.done() - opened + 1);
            let left = disk.crashed(at, rng);
            chosen = Some((left.clone(), check_left(&left, rows, at, &checkpoints)));
            crashes += 1;
        }
        // Opening cleared up and may fold: it goes on from there.
        let Some((left, (found, held))) = chosen else { continue };
        (disk, steps, model) = (left, found, held);
    }
    crashes
}

/// Checks what a crash has left; which checkpoint it is.
fn check_left(
    left: &Ram,
    rows: u64,
    at: usize,
    checkpoints: &[(usize, usize, u64, Model)],
) -> (u64, Model) {
    let store = open(left, rows).unwrap();
    let steps = store.mark().map_or(0, |mark| mark.steps);
    let last = checkpoints.iter().filter(|checkpoint| checkpoint.1 <= at).map(|held| held.2).max();
    let begun = checkpoints.iter().filter(|checkpoint| checkpoint.0 <= at).map(|held| held.2).max();
    assert!(last.is_none_or(|last| last <= steps), "checkpoint {last:?} is lost: {steps}");
    assert!(begun.is_some_and(|begun| steps <= begun), "{steps} was never begun");
    let (.., model) = checkpoints.iter().find(|held| held.2 == steps).unwrap();
    check(&store, model);
    (steps, model.clone())
}

#[test]
fn a_full_disk_is_an_error_and_what_follows_is_whole() {
    let mut rng = Rng(Budget::new().seed);
    let mut refused = 0;
    for _ in 0..60 {
        let (disk, rows) = (Ram::default(), 20);
        let (mut model, mut held) = (Model::new(), Model::new());
        let store = open(&disk, rows).unwrap();
        disk.leave(Some(rng.below(4000)));
        for steps in 1..20 {
            let result = match rng.below(3) {
                0 => store.checkpoint(mark(steps)).map(|()| held.clone_from(&model)),
                _ => write(&mut rng, &store, &mut model),
            };
            check(&store, &model);
            let Err(error) = result else { continue };
            refused += 1;
            assert!(error.to_string().contains("ram/"), "{error}");
            break;
        }
        // The last checkpoint, or the one that was refused when its manifest was there already.
        let left = disk.crashed(disk.done(), &mut rng);
        let found = open(&left, rows).unwrap();
        let whole = if found.mark() == store.mark() { &held } else { &model };
        check(&found, whole);
        disk.leave(None);
        // The verdict on a folding is told once.
        let again = store.checkpoint(mark(100)).or_else(|_| store.checkpoint(mark(100)));
        again.unwrap();
        check(&store, &model);
        drop(store);
        let store = open(&disk, rows).unwrap();
        assert_eq!(store.mark(), Some(mark(100)));
        check(&store, &model);
    }
    assert!(refused > 20, "the disk was seldom full");
}

/// Nobody knows what a sync that failed has brought to the disk: one of two manifests, and what either names must stay.
#[test]
fn a_sync_that_fails_leaves_a_whole_checkpoint_whatever_is_tried_next() {
    let mut rng = Rng(Budget::new().seed);
    let mut refused = 0;
    for _ in 0..200 {
        let (disk, rows) = (Ram::default(), 20);
        let mut model = Model::new();
        let mut journal = on(&disk).unwrap();
        let mut store = Some(opened(&journal, "", rows).unwrap());
        let mut checkpoints = vec![(disk.done(), disk.done(), 0, model.clone())];
        disk.fail_sync(rng.below(30));
        for steps in 1..12 {
            let held = store.as_ref().unwrap();
            (0..rng.below(5)).for_each(|_| write(&mut rng, held, &mut model).unwrap());
            let began = disk.done();
            let result = held.checkpoint(mark(steps));
            let ended = if result.is_ok() { disk.done() } else { usize::MAX };
            checkpoints.push((began, ended, steps, model.clone()));
            check(held, &model);
            if result.is_err() {
                refused += 1;
                // The table is opened anew; and the folder where it must be.
                drop(store.take());
                let again = opened(&journal, "", rows).or_else(|error| {
                    assert!(matches!(error, Error::Unsynced { .. }), "{error}");
                    journal = on(&disk)?;
                    opened(&journal, "", rows)
                });
                // One sync fails, and has.
                let again = again.unwrap();
                let found = again.mark().map_or(0, |mark| mark.steps);
                model = checkpoints.iter().find(|of| of.2 == found).unwrap().3.clone();
                check(&again, &model);
                store = Some(again);
            }
        }
        drop(store);
        for _ in 0..6 {
            let at = checkpoints[0].0 + rng.below(disk.done() - checkpoints[0].0 + 1);
            check_left(&disk.crashed(at, &mut rng), rows, at, &checkpoints);
        }
    }
    assert!(refused > 50, "syncs seldom failed: {refused}");
}

#[test]
fn what_was_altered_or_cut_off_is_told_by_name() {
    let mut rng = Rng(Budget::new().seed);
    for _ in 0..100 {
        let (disk, rows) = (Ram::default(), 20);
        let mut model = Model::new();
        let store = open(&disk, rows).unwrap().fold_from(u64::MAX);
        for _ in 0..5 {
            write(&mut rng, &store, &mut model).unwrap();
        }
        store.checkpoint(mark(1)).unwrap();
        drop(store);
        let name = ["log.0", "manifest"][rng.below(2)];
        let at = rng.below(disk.len(name));
        if rng.below(2) == 0 {
            disk.alter(name, at)
        } else {
            disk.cut(name, at)
        }
        match open(&disk, rows) {
            Err(Error::Damaged { file, .. }) => assert_eq!(file, format!("ram/{name}")),
            other => panic!("{name}, byte {at}: {other:?}"),
        }
    }
}

/// A store whose rows are all in its base, and what it holds.
fn folded_store(rng: &mut Rng, disk: &Ram, rows: u64) -> Model {
    let mut model = Model::new();
    let store = open(disk, rows).unwrap().fold_from(0);
    (0..20).for_each(|_| write(rng, &store, &mut model).unwrap());
    store.checkpoint(mark(1)).unwrap();
    locked(&store.folding).wait().unwrap();
    assert!(store.shared.state().frozen.is_none(), "the log was not folded");
    check(&store, &model);
    model
}

#[test]
fn a_record_that_was_altered_or_is_gone_is_never_handed_out() {
    let mut rng = Rng(Budget::new().seed);
    for case in 0..40 {
        let (disk, rows) = (Ram::default(), 12);
        let model = folded_store(&mut rng, &disk, rows);
        let row = *model.keys().nth(rng.below(model.len())).unwrap();
        let place = layout().bytes() + 4;
        let begin = row as usize * place;
        let (whole, mut expected) = (disk.len(base::NAME), "was altered");
        match case % 3 {
            0 => disk.alter(base::NAME, begin + rng.below(place)),
            1 => disk.punch(base::NAME, begin..begin + place),
            _ => {
                disk.cut(base::NAME, begin);
                disk.punch(base::NAME, begin..whole);
            }
        }
        if case % 3 > 0 {
            expected = "is gone";
        }
        let store = open(&disk, rows).unwrap();
        let mut record = vec![0; layout().bytes()];
        match store.read(&[row], &mut record) {
            Err(Error::Damaged { reason, .. }) => assert!(reason.contains(expected), "{reason}"),
            other => panic!("row {row}: {other:?}"),
        }
    }
}

#[test]
fn pages_of_what_the_base_has_are_checked() {
    let mut rng = Rng(Budget::new().seed);
    for _ in 0..20 {
        let disk = Ram::default();
        folded_store(&mut rng, &disk, 12);
        let name = folded::name(0);
        let at = rng.below(disk.len(&name));
        match rng.below(3) {
            0 => disk.alter(&name, at),
            1 => disk.cut(&name, at),
            _ => disk.punch(&name, 0..disk.len(&name)),
        }
        match open(&disk, 12) {
            Err(Error::Damaged { file, .. }) => assert_eq!(file, format!("ram/{name}")),
            other => panic!("byte {at}: {other:?}"),
        }
    }
}

#[test]
fn other_rows_records_or_a_read_only_disk_are_refused() {
    let disk = Ram::default();
    drop(open(&disk, 20).unwrap());
    assert!(matches!(open(&disk, 21), Err(Error::Mismatch { .. })));
    let other = FileStore::on(&on(&disk).unwrap(), "", (20, Layout::f32(8).unwrap()), init());
    assert!(matches!(other, Err(Error::Mismatch { .. })));
    disk.set_read_only(true);
    let error = open(&disk, 20).unwrap_err().to_string();
    assert!(error.contains("ram/manifest") && error.contains("read-only"), "{error}");
    disk.set_read_only(false);
    open(&disk, 20).unwrap();
}

#[test]
fn rows_that_were_never_written_take_no_room() {
    let folder = std::env::temp_dir().join(format!("sparse-adam-cached-{}", std::process::id()));
    let rows = 1_000_000_000;
    let store = FileStore::open(&folder, rows, layout(), |row, w| w.fill(row as u8)).unwrap();
    let again = FileStore::open(&folder, rows, layout(), |_, _| {});
    assert!(matches!(again, Err(Error::Io { .. })), "two stores of one folder");
    let mut model = Model::new();
    for row in [0, 5, 999_999_999] {
        model.insert(row, vec![row as u8 ^ 0x55; layout().bytes()]);
        store.write(&[row], &model[&row]).unwrap();
    }
    let store = { store.fold_from(0) };
    store.checkpoint(mark(7)).unwrap();
    locked(&store.folding).wait().unwrap();
    drop(store);
    let store = FileStore::open(&folder, rows, layout(), |row, w| w.fill(row as u8)).unwrap();
    let mut record = vec![0; layout().bytes()];
    for row in [0, 5, 6, 999_999_999] {
        store.read(&[row], &mut record).unwrap();
        assert_eq!(record, model.get(&row).cloned().unwrap_or_else(|| first(row)));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let held = std::fs::metadata(folder.join(base::NAME)).unwrap();
        assert_eq!(held.len(), rows * 32);
        assert!(held.blocks() * 512 < 1 << 20, "{} blocks", held.blocks());
    }
    drop(store);
    std::fs::remove_dir_all(folder).unwrap();
}
