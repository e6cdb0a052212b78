//! Checkpoints: any number of ranks goes on from those of any other, with the bits of one device.

use super::harness::{Run, bits, optimizer, ranks, whole};
use safetensors::SafeTensors;
use sparse_adam::{AdamOptions, Error as CoreError, StateDict};
use sparse_adam_mpi::{
    Assign, Error, ImportedTable, ShardedOptimizer, Whole, World, export_torch, import,
};
use sparse_adam_testkit::Rng;
use sparse_adam_testkit::campaign::fresh_seed;
use std::fs;
use std::path::{Path, PathBuf};

/// A folder of its own that is not there yet.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("checkpoint-{name}"));
    let removed =
        if folder.is_dir() { fs::remove_dir_all(&folder) } else { fs::remove_file(&folder) };
    assert!(removed.is_ok() || !folder.exists(), "{removed:?}");
    folder
}

fn any_rule(rng: &mut Rng) -> AdamOptions {
    rng.rule(AdamOptions::default().lr(0.01))
}

fn other(assign: Assign) -> Assign {
    if assign == Assign::Cyclic { Assign::Block } else { Assign::Cyclic }
}

/// Ranks that have made the first two steps, and saved them.
fn saved(run: &Run, count: u32, folder: &Path) {
    World::run(ranks(count), |end| {
        let mut optimizer = optimizer(end);
        let ids = run.add_to(&mut optimizer, |assign| assign).unwrap();
        run.steps(&mut optimizer, &ids, 0..2).unwrap();
        optimizer.save(folder).unwrap();
    });
}

/// Ranks that load what was saved, and make the rest of the steps.
fn resumed(run: &Run, count: u32, folder: &Path, assign: fn(Assign) -> Assign) -> Vec<Whole> {
    let ended = World::run(ranks(count), |end| {
        let mut optimizer = optimizer(end);
        let ids = run.add_to(&mut optimizer, assign).unwrap();
        // What is there before does not matter.
        run.steps(&mut optimizer, &ids, 1..3).unwrap();
        optimizer.load(folder).unwrap();
        run.steps(&mut optimizer, &ids, 2..3).unwrap();
        whole(&mut optimizer, &ids).unwrap()
    });
    ended.into_iter().next().unwrap()
}

#[test]
fn go_on_on_any_number_of_ranks() {
    let (seed, folder) = (fresh_seed(), folder("resharded"));
    let mut rng = Rng(seed);
    // Kernels of another rule take seconds to compile: two runs for all pairs.
    let runs = [(); 2].map(|()| Run::draw(&mut rng, 7, any_rule));
    let expected = runs.each_ref().map(Run::on_one_device);
    for from in [1, 2, 3, 4, 7] {
        let (run, expected) = (&runs[from as usize % 2], &expected[from as usize % 2]);
        saved(run, from, &folder);
        for to in [1, 2, 3, 4, 7] {
            let assign: fn(Assign) -> Assign = if rng.below(2) == 0 { other } else { |same| same };
            for (found, expected) in resumed(run, to, &folder, assign).iter().zip(expected) {
                assert!(
                    bits(found) == bits(expected),
                    "{from} to {to} ranks, seed {seed}: {run:?}"
                );
            }
        }
    }
}

/// A run whose last step is dropped: the state is that of the checkpoint.
fn first_two(run: &Run) -> Run {
    Run { steps: run.steps[..2].to_vec(), ..run.clone() }
}

#[test]
fn are_exported_as_the_file_that_one_device_saves() {
    let (seed, folder, out) = (fresh_seed(), folder("exported"), folder("export"));
    let mut rng = Rng(seed);
    for count in [1, 2, 3, 4, 7] {
        let run = Run::draw(&mut rng, count as usize, any_rule);
        saved(&run, count, &folder);
        export_torch(&folder, &out).unwrap();
        let (core, _) = first_two(&run).core_on_one_device();
        let expected = pollster::block_on(core.state_dict()).unwrap().to_safetensors().unwrap();
        let found = fs::read(out.join("optimizer.safetensors")).unwrap();
        assert!(found == expected, "the state of {count} ranks, seed {seed}: {run:?}");
        let weights = fs::read(out.join("weights.safetensors")).unwrap();
        let weights = SafeTensors::deserialize(&weights).unwrap();
        assert_eq!(weights.len(), run.tables.len());
        for (number, whole) in first_two(&run).on_one_device().iter().enumerate() {
            let tensor = weights.tensor(&format!("p{number}")).unwrap();
            let shape = run.tables[number].shape;
            assert_eq!(tensor.shape(), [shape.0, shape.1]);
            assert_eq!(tensor.data(), bytemuck::cast_slice::<f32, u8>(&whole.values));
        }
    }
}

#[test]
fn are_made_of_one_devices_state() {
    let (seed, folder, out) = (fresh_seed(), folder("imported"), folder("import"));
    let mut rng = Rng(seed);
    for count in [1, 3, 4] {
        let run = Run::draw(&mut rng, count as usize, any_rule);
        let (core, _) = first_two(&run).core_on_one_device();
        let mut dict = pollster::block_on(core.state_dict()).unwrap();
        let wholes = first_two(&run).on_one_device();
        let tables = run.tables.iter().zip(&wholes).enumerate();
        let tables = tables.map(|(number, (table, whole))| {
            let shape = [table.shape.0 as u32, table.shape.1 as u32];
            ImportedTable::new(format!("p{number}"), &shape, &whole.values).format(table.format)
        });
        let tables: Vec<_> = tables.collect();
        import(&folder, &dict, &tables).unwrap();
        export_torch(&folder, &out).unwrap();
        assert_eq!(StateDict::load(out.join("optimizer.safetensors")).unwrap(), dict);
        let found = resumed(&run, count, &folder, |assign| assign);
        for (found, expected) in found.iter().zip(&run.on_one_device()) {
            assert!(bits(found) == bits(expected), "{count} ranks, seed {seed}: {run:?}");
        }
        dict.param_groups[0].param_names = Some(vec!["another".into()]);
        let refused = |dict: &StateDict, tables: &[ImportedTable<'_>]| {
            let made = import(&folder, dict, tables);
            matches!(made, Err(Error::Core(CoreError::InvalidFile { .. })))
        };
        assert!(refused(&dict, &tables), "another name");
        dict.param_groups[0].param_names = None;
        assert!(refused(&dict, &tables[1..]), "a table is missing");
    }
}

/// What loading says on each of two ranks that have made no steps; that it changed nothing; that a good one loads then.
fn refused(run: &Run, folder: &Path) -> Vec<Error> {
    World::run(ranks(2), |end| {
        let mut optimizer = optimizer(end);
        let ids = run.add_to(&mut optimizer, |assign| assign).unwrap();
        let error = optimizer.load(folder).unwrap_err();
        let wholes = whole(&mut optimizer, &ids).unwrap();
        for (whole, table) in wholes.iter().zip(&run.tables) {
            assert!(whole.values == table.values && whole.state.is_none(), "{error}");
        }
        error
    })
}

#[test]
fn that_are_damaged_are_refused_on_all_ranks() {
    let (folder, mut rng) = (folder("damaged"), Rng(fresh_seed()));
    let run = Run::draw(&mut rng, 3, any_rule);
    saved(&run, 3, &folder);
    let shards = || {
        let names = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let mut names: Vec<_> = names.filter(|name| name.extension().unwrap() != "json").collect();
        names.sort();
        names
    };
    let damage: [fn(&mut Vec<u8>); 3] = [
        // The last number of the last table.
        |bytes| *bytes.last_mut().unwrap() ^= 1,
        |bytes| bytes.truncate(bytes.len() - 4),
        |bytes| bytes[20] ^= 1,
    ];
    assert_eq!(shards().len(), 3);
    for path in shards().into_iter().chain([folder.join("index.json")]) {
        let whole = fs::read(&path).unwrap();
        for damage in damage {
            let mut bytes = whole.clone();
            damage(&mut bytes);
            fs::write(&path, bytes).unwrap();
            let errors = refused(&run, &folder);
            let own = |error: &Error| matches!(error, Error::Core(CoreError::InvalidFile { .. }));
            let heard = |error: &Error| own(error) || matches!(error, Error::Peer { .. });
            assert!(errors.iter().any(own) && errors.iter().all(heard), "{errors:?}");
        }
        fs::remove_file(&path).unwrap();
        let errors = refused(&run, &folder);
        assert!(errors.iter().all(|error| matches!(error, Error::Core(CoreError::Io { .. }))));
        fs::write(&path, whole).unwrap();
    }
    let other = Run::draw(&mut rng, 1, any_rule);
    let mut more = run.clone();
    more.tables.extend(other.tables);
    let errors = refused(&more, &folder);
    let mismatch = |error: &Error| matches!(error, Error::Core(CoreError::StateMismatch { .. }));
    assert!(errors.iter().all(mismatch), "{errors:?}");
}

/// A save that did not end leaves the one before; the next one removes what it left.
#[test]
fn outlive_a_save_that_did_not_end() {
    let (folder, mut rng) = (folder("unfinished"), Rng(fresh_seed()));
    let run = Run::draw(&mut rng, 2, any_rule);
    saved(&run, 2, &folder);
    let left = folder.join("shard-1-00000-of-00002.safetensors");
    for path in [&left, &folder.join("index.json.tmp")] {
        fs::write(path, "half of").unwrap();
    }
    let found = resumed(&run, 3, &folder, other);
    for (found, expected) in found.iter().zip(&run.on_one_device()) {
        assert!(bits(found) == bits(expected));
    }
    saved(&run, 3, &folder);
    assert!(!left.exists());
    let names = fs::read_dir(&folder).unwrap().count();
    assert_eq!(names, 3 + 1, "an index and three files, and none of those before");
    resumed(&run, 2, &folder, other);
}

#[test]
fn that_cannot_be_written_are_an_error_on_all_ranks() {
    let path = folder("file");
    fs::write(&path, "no folder").unwrap();
    let run = Run::draw(&mut Rng(fresh_seed()), 2, any_rule);
    let errors = World::run(ranks(2), |end| {
        let mut optimizer: ShardedOptimizer<World> = optimizer(end);
        let ids = run.add_to(&mut optimizer, |assign| assign).unwrap();
        let error = optimizer.save(&path).unwrap_err();
        run.steps(&mut optimizer, &ids, 0..1).unwrap();
        error
    });
    assert!(matches!(errors[0], Error::Core(CoreError::Io { .. })), "{errors:?}");
    assert!(matches!(errors[1], Error::Peer { rank: 0, .. }), "{errors:?}");
}
