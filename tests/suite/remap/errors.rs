//! Every way to ask wrongly for other rows, provoked without a GPU, and a good call after it.

use crate::suite::errors::Noop;
use sparse_adam::{
    AdamOptions, Error, Param, ParamId, ParamPlace, Region, RowList, RowMap, SparseGrad,
};
use wgpu::BufferUsages;

/// Whether an error is the expected one.
type Is = fn(&Error) -> bool;

/// What is wrong, with which map and places.
type Case = (&'static str, RowMap, Vec<(usize, Region)>, Is);

struct World {
    noop: Noop,
    pool: Region,
    ids: [ParamId; 2],
}

/// Two parameters `[10, 4]` in a pool of 16 KiB, at 0 and 1,024, with a state.
fn world() -> World {
    let mut noop = Noop::new();
    let pool = Region::from(noop.storage(1 << 14));
    let at = |offset: u64| Region::new(pool.buffer(), offset, 160);
    let ids = [("a", 0), ("b", 1024)].map(|(name, offset)| {
        noop.optimizer.add_param(Param::new(name, at(offset), [10, 4])).unwrap()
    });
    for id in ids {
        noop.optimizer.set_step_count(id, 3).unwrap();
    }
    World { noop, pool, ids }
}

impl World {
    fn at(&self, offset: u64, size: u64) -> Region {
        Region::new(self.pool.buffer(), offset, size)
    }

    fn remap(&mut self, map: RowMap, params: &[(usize, Region)]) -> Result<(), Error> {
        let params = params.iter().map(|(number, place)| (self.ids[*number], place.clone()));
        let mut encoder = self.noop.device.create_command_encoder(&Default::default());
        self.noop.optimizer.remap_rows(&mut encoder, map, params)?;
        self.noop.queue.submit([encoder.finish()]);
        Ok(())
    }

    /// What no call that fails may change.
    fn host(&self) -> String {
        let of = |&id: &ParamId| {
            let optimizer = &self.noop.optimizer;
            let regions = optimizer.regions(id).unwrap();
            format!("{:?} {regions:?} {:?}", optimizer.shape(id), optimizer.step_count(id))
        };
        let [a, b] = [&self.ids[0], &self.ids[1]].map(of);
        format!("{a} {b} {}", self.noop.optimizer.resources().state_bytes)
    }
}

/// A map of `rows` rows of its own.
fn map(world: &World, rows: u32) -> RowMap {
    RowMap::new(world.noop.storage(4 * u64::from(rows).max(1)), rows)
}

#[test]
fn a_map_or_a_place_that_will_not_do_is_refused_and_changes_nothing() {
    let mut world = world();
    let before = world.host();
    let elsewhere = world.at(4096, 320);
    let overlap: Is = |error| matches!(error, Error::Overlap { .. });
    let small: Is = |error| matches!(error, Error::BufferTooSmall { .. });
    let usage: Is = |error| matches!(error, Error::MissingUsage { .. });
    let misaligned: Is = |error| matches!(error, Error::Misaligned { .. });
    let shape: Is = |error| matches!(error, Error::InvalidShape { .. });
    let storage = |bytes| Region::from(world.noop.storage(bytes));
    let unbindable = Region::from(world.noop.buffer(400, BufferUsages::COPY_DST));
    let good = || map(&world, 20);
    let cases: Vec<Case> = vec![
        ("no rows", map(&world, 0), vec![(0, elsewhere.clone())], shape),
        ("a small map", RowMap::new(storage(76), 20), vec![(0, elsewhere.clone())], small),
        ("an unbindable map", RowMap::new(&unbindable, 20), vec![(0, elsewhere.clone())], usage),
        (
            "a map at 4",
            RowMap::new(world.at(8196, 80), 20),
            vec![(0, elsewhere.clone())],
            misaligned,
        ),
        ("a small place", good(), vec![(0, world.at(4096, 316))], small),
        ("an unbindable place", good(), vec![(0, unbindable.clone())], usage),
        ("a place at 4", good(), vec![(0, world.at(4100, 320))], misaligned),
        ("its own place", good(), vec![(0, world.at(0, 320))], overlap),
        ("another's place", good(), vec![(0, world.at(768, 320))], overlap),
        (
            "another's old place",
            good(),
            vec![(0, world.at(1024, 320)), (1, world.at(4096, 320))],
            overlap,
        ),
        ("one new place", good(), vec![(0, elsewhere.clone()), (1, world.at(4352, 320))], overlap),
        (
            "the map's place",
            RowMap::new(world.at(4352, 80), 20),
            vec![(0, elsewhere.clone())],
            overlap,
        ),
        (
            "a map in a table",
            RowMap::new(world.at(0, 80), 20),
            vec![(0, elsewhere.clone())],
            overlap,
        ),
        ("twice", good(), vec![(0, elsewhere.clone()), (0, storage(320))], |error| {
            matches!(error, Error::Unsupported { .. })
        }),
    ];
    for (what, map, params, is_expected) in cases {
        let error = world.remap(map, &params).unwrap_err();
        assert!(is_expected(&error), "{what}: {error}");
        assert_eq!(world.host(), before, "{what}");
    }
    let none = map(&world, 20);
    world.remap(none, &[]).unwrap();
    assert_eq!(world.host(), before, "nothing is named");
    let good = map(&world, 20);
    world.remap(good, &[(0, elsewhere), (1, world.at(2048, 320))]).unwrap();
    assert_eq!(world.noop.optimizer.shape(world.ids[1]), Ok(&[20, 4][..]));
    // Its old place is free, the new one is not.
    let param = |offset| Param::new("c", world.at(offset, 160), [10, 4]);
    let (free, taken) = (param(1024), param(2048));
    assert!(world.noop.optimizer.add_param(taken).is_err());
    world.noop.optimizer.add_param(free).unwrap();
    world.noop.assert_sound(world.ids[0], 3);
}

#[test]
fn gradients_of_old_rows_are_refused_and_empty_ones_stay() {
    let mut world = world();
    let grad = SparseGrad::new(world.noop.storage(12), world.at(8192, 48), 3);
    world.noop.optimizer.set_grad(world.ids[1], grad).unwrap();
    let place = world.at(4096, 320);
    let error = world.remap(map(&world, 20), &[(1, place.clone())]).unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    // Where that gradient lies, no other may be put.
    let error = world.remap(map(&world, 20), &[(0, world.at(7936, 320))]).unwrap_err();
    assert!(matches!(error, Error::Overlap { .. }), "{error}");
    world.noop.optimizer.zero_grads();
    world.remap(map(&world, 20), &[(1, place)]).unwrap();
    world.noop.step().unwrap();
    assert_eq!(world.noop.optimizer.step_count(world.ids[1]), Ok(4), "it is counted");
}

#[test]
fn rows_of_several_axes_have_no_map_and_destroyed_buffers_no_use() {
    let mut world = world();
    let axes = Param::new("axes", world.at(8192, 480), [10, 3, 4]).sparse_dim(2);
    let axes = world.noop.optimizer.add_param(axes).unwrap();
    let mut encoder = world.noop.device.create_command_encoder(&Default::default());
    let place = world.noop.storage(4096);
    let good = map(&world, 20);
    let refused = world.noop.optimizer.remap_rows(&mut encoder, good, [(axes, &place)]);
    assert!(matches!(refused, Err(Error::Unsupported { .. })), "{refused:?}");
    let parts = ParamPlace::in_parts([(Region::from(&place), 19)]);
    let good = map(&world, 20);
    let refused = world.noop.optimizer.remap_rows(&mut encoder, good, [(world.ids[0], parts)]);
    assert!(matches!(refused, Err(Error::InvalidShape { .. })), "{refused:?}");
    place.destroy();
    let before = world.host();
    let refused = world.remap(map(&world, 20), &[(0, Region::from(&place))]);
    assert!(
        matches!(&refused, Err(Error::InvalidBuffer { what, .. }) if what.contains("new place"))
    );
    let gone = world.noop.storage(80);
    gone.destroy();
    let refused = world.remap(RowMap::new(&gone, 20), &[(0, world.at(4096, 320))]);
    assert!(matches!(&refused, Err(Error::InvalidBuffer { what, .. }) if what.contains("map")));
    assert_eq!(world.host(), before);
    world.noop.assert_sound(world.ids[0], 3);
}

#[test]
fn a_list_of_rows_that_will_not_do_is_refused() {
    let mut world = world();
    let ids = world.ids;
    let storage = |bytes| Region::from(world.noop.storage(bytes));
    let copied = |offset| {
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC;
        Region::new(&world.noop.buffer(16, usage), offset, 4)
    };
    let cases = [
        (vec![ids[0]], RowList::new(storage(36), 10), "BufferTooSmall"),
        (vec![ids[0]], RowList::new(world.at(4100, 40), 10), "Misaligned"),
        (vec![ids[0]], RowList::new(world.at(0, 40), 10), "Overlap"),
        (vec![ids[0], ids[0]], RowList::new(storage(40), 10), "Unsupported"),
        (vec![ids[0]], RowList::new(storage(40), u32::MAX), "TooLarge"),
        (vec![ids[0]], RowList::new(storage(40), 10).count(storage(4)), "MissingUsage"),
        (vec![ids[0]], RowList::new(storage(40), 10).count(copied(2)), "Misaligned"),
    ];
    let good = RowList::new(storage(40), 10).count(copied(4));
    let optimizer = &mut world.noop.optimizer;
    let mut encoder = world.noop.device.create_command_encoder(&Default::default());
    for (params, list, expected) in cases {
        let error = optimizer.reset_rows(&mut encoder, params, list).unwrap_err();
        assert!(format!("{error:?}").starts_with(expected), "{error:?}");
    }
    optimizer.reset_rows(&mut encoder, ids, good).unwrap();
    optimizer.reset_rows(&mut encoder, [], RowList::new(storage_of(&world.pool), 1)).unwrap();
    optimizer.reset_rows(&mut encoder, ids, RowList::new(&world.pool, 0)).unwrap();
    world.noop.queue.submit([encoder.finish()]);
    world.noop.assert_sound(ids[0], 3);
}

fn storage_of(pool: &Region) -> Region {
    Region::new(pool.buffer(), 4096, 4)
}

#[test]
fn a_removed_parameter_is_unknown_and_all_others_are_what_they_were() {
    let mut world = world();
    let ids = world.ids;
    let optimizer = &mut world.noop.optimizer;
    optimizer.remove_param(ids[0]).unwrap();
    let gone = Error::RemovedParam { found: 0 };
    assert_eq!(optimizer.remove_param(ids[0]), Err(gone.clone()));
    assert_eq!(optimizer.set_grad(ids[0], SparseGrad::empty()), Err(gone.clone()));
    assert_eq!(optimizer.name(ids[0]), Err(gone));
    assert_eq!(optimizer.params().collect::<Vec<_>>(), [ids[1]]);
    assert_eq!(optimizer.name(ids[1]), Ok("b"));
    assert_eq!(optimizer.step_count(ids[1]), Ok(3));
    let dict = pollster::block_on(optimizer.state_dict()).unwrap();
    assert_eq!(dict.param_groups[0].params, [0]);
    assert_eq!(dict.state[&0].step, 3);
    // Name and place are free; the id is another.
    let again = Param::new("a", Region::new(world.pool.buffer(), 0, 160), [10, 4]);
    let again = optimizer.add_param(again).unwrap();
    assert!(!ids.contains(&again));
    assert_eq!(optimizer.params().collect::<Vec<_>>(), [ids[1], again]);
    let within = Param::new("c", Region::new(world.pool.buffer(), 1024, 160), [10, 4]);
    assert!(matches!(optimizer.add_param(within), Err(Error::Overlap { .. })));
    // A group without parameters stays a group.
    for id in [ids[1], again] {
        optimizer.remove_param(id).unwrap();
    }
    let group = optimizer.groups().next().unwrap();
    assert_eq!(optimizer.group_params(group), Ok(vec![]));
    assert_eq!(optimizer.options(group), Ok(AdamOptions::default()));
    assert_eq!(optimizer.resources().state_bytes, 0);
    world.noop.step().unwrap();
    let last = Param::new("a", Region::new(world.pool.buffer(), 0, 160), [10, 4]);
    let last = world.noop.optimizer.add_param(last).unwrap();
    world.noop.assert_sound(last, 0);
}
