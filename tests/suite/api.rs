//! What an engine asks of the types, and of what an optimizer tells about its parameters.

use super::errors::Noop;
use sparse_adam::reference::Gradient;
use sparse_adam::{
    AdamOptions, Error, Param, ParamGroup, Region, SparseAdam, SparseGrad, StateDict, Status, wgpu,
};
use sparse_adam_testkit::{Pair, Rng, variants};

/// What Bevy asks of a resource.
fn is_resource<T: Send + Sync + 'static>(_: &T) {}

/// What `tokio::spawn` asks of a future.
fn can_be_spawned<F: Future<Output: Send + 'static> + Send + 'static>(future: F) -> F {
    future
}

#[test]
fn an_optimizer_is_a_resource_whatever_its_hooks_hold() {
    let mut noop = Noop::new();
    // A `Cell` can be sent, and not shared.
    let calls = std::cell::Cell::new(0);
    noop.optimizer.register_step_pre_hook(move |_, _| {
        calls.set(calls.get() + 1);
        Ok(())
    });
    is_resource(&noop.optimizer);
    is_resource(&StateDict::default());
    is_resource(&SparseGrad::empty());
    is_resource(&Param::new("p", noop.storage(16), [4]));
    is_resource(&Error::EmptyGroup);
}

#[test]
fn futures_outlive_the_optimizer() {
    let mut noop = Noop::new();
    let id = noop.optimizer.add_param(Param::new("p", noop.storage(160), [10, 4])).unwrap();
    let state = can_be_spawned(noop.optimizer.state_dict());
    let state_of = can_be_spawned(noop.optimizer.state_of(id));
    let status = can_be_spawned(noop.optimizer.status(id));
    let all = can_be_spawned(noop.optimizer.status_all());
    let path = std::env::temp_dir().join("sparse-adam-futures-outlive.safetensors");
    let save = can_be_spawned(noop.optimizer.save(path.clone()));
    drop(noop);
    assert_eq!(pollster::block_on(state).unwrap().param_groups.len(), 1);
    assert_eq!(pollster::block_on(state_of), Ok(None));
    assert_eq!(pollster::block_on(status), Ok(Status::default()));
    assert_eq!(pollster::block_on(all), Ok(vec![(id, Status::default())]));
    pollster::block_on(save).unwrap();
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_state_is_that_of_the_moment_of_the_call() {
    for on in variants() {
        let mut rng = Rng(2000);
        let shapes = [(300, 12), (1, 1), (70, 5)];
        let mut pair = Pair::new(on, &shapes, &[AdamOptions::default(); 3], &mut rng);
        let grads = |rng: &mut Rng| -> Vec<Option<Gradient<f32>>> {
            shapes.iter().map(|&(rows, dim)| Some(rng.gradient(rows, dim, 200))).collect()
        };
        let before = pair.optimizer.state_dict();
        assert_eq!(pollster::block_on(before).unwrap().state.len(), 0);
        pair.step(&grads(&mut rng));
        let expected = pollster::block_on(pair.optimizer.state_dict()).unwrap();
        let group = pair.optimizer.group_of(pair.ids[1]).unwrap();
        let (dict, one) = (pair.optimizer.state_dict(), pair.optimizer.state_of(pair.ids[2]));
        let statuses = pair.optimizer.status_all();
        // All of this happens before the futures are first polled.
        pair.step(&grads(&mut rng));
        pair.set_grad(0, &Gradient { indices: vec![-1], values: vec![1.0; 12] });
        pair.submit_step();
        pair.optimizer.set_lr(group, 0.5).unwrap();
        assert_eq!(pollster::block_on(dict).unwrap(), expected);
        assert_eq!(pollster::block_on(one).unwrap().as_ref(), expected.state.get(&2));
        let statuses = pollster::block_on(statuses).unwrap();
        assert!(statuses.iter().all(|(_, status)| status.is_clean()));
        let now = pollster::block_on(pair.optimizer.state_dict()).unwrap();
        assert_ne!(now, expected);
        assert_eq!((now.state[&0].step, now.param_groups[1].options.lr), (3, 0.5));
        let statuses = pollster::block_on(pair.optimizer.status_all()).unwrap();
        assert_eq!(statuses.iter().map(|(id, _)| *id).collect::<Vec<_>>(), pair.ids);
        assert_eq!(statuses[0].1.out_of_range, 1);
    }
}

#[test]
fn an_optimizer_tells_what_its_parameters_are() {
    let mut noop = Noop::new();
    let pool = noop.storage(4096);
    let first = Param::new("first", pool.slice(256..736), [10, 3, 4]).sparse_dim(2);
    let parts = [(Region::new(&pool, 1024, 80), 5), (Region::new(&pool, 2048, 48), 3)];
    let second = Param::in_parts("second", parts.clone(), [8, 4]);
    let group = noop.optimizer.add_param_group(ParamGroup::new([first, second])).unwrap();
    let ids: Vec<_> = noop.optimizer.params().collect();
    assert_eq!(noop.optimizer.params().len(), 2);
    assert_eq!(noop.optimizer.group_params(group).unwrap(), ids);
    let names: Vec<_> = ids.iter().map(|&id| noop.optimizer.name(id).unwrap()).collect();
    assert_eq!(names, ["first", "second"]);
    assert_eq!(noop.optimizer.shape(ids[0]).unwrap(), [10, 3, 4]);
    assert_eq!(noop.optimizer.shape(ids[1]).unwrap(), [8, 4]);
    let whole = noop.optimizer.regions(ids[0]).unwrap();
    assert_eq!((whole.len(), whole[0].first_row, whole[0].rows), (1, 0, 30));
    assert_eq!(whole[0].region, Region::new(&pool, 256, 480));
    let found = noop.optimizer.regions(ids[1]).unwrap();
    let rows: Vec<_> = found.iter().map(|window| (window.first_row, window.rows)).collect();
    assert_eq!(rows, [(0, 5), (5, 3)]);
    assert!(found.iter().zip(&parts).all(|(window, (region, _))| window.region == *region));
    let usage = noop.optimizer.status_region(ids[1]).unwrap().buffer().usage();
    assert!(usage.contains(wgpu::BufferUsages::COPY_SRC));

    let mut other = Noop::new();
    other.optimizer.add_param(Param::new("p", other.storage(160), [10, 4])).unwrap();
    let unknown = Error::UnknownParam { expected: 1, found: 0 };
    assert_eq!(other.optimizer.name(ids[0]), Err(unknown.clone()));
    assert_eq!(other.optimizer.shape(ids[0]), Err(unknown.clone()));
    assert_eq!(other.optimizer.regions(ids[0]), Err(unknown.clone()));
    assert_eq!(other.optimizer.moments(ids[0]), Err(unknown.clone()));
    assert_eq!(other.optimizer.status_region(ids[0]), Err(unknown));
}

#[test]
fn moments_lie_where_they_are_said_to() {
    for on in variants() {
        let mut rng = Rng(2010);
        let (rows, dim) = (40, 6);
        let mut pair = Pair::single(on, rows, dim, &mut rng);
        let id = pair.ids[0];
        let read = |pair: &mut Pair| {
            let windows = pair.optimizer.moments(id).unwrap();
            let read = |region| pollster::block_on(pair.gpu.read::<f32>(region)).unwrap();
            assert_eq!(windows.iter().map(|window| window.rows).sum::<u32>(), rows as u32);
            windows.iter().flat_map(|window| read(&window.region)).collect::<Vec<_>>()
        };
        // They are made where there are none, and take no part in a step that does not count.
        assert_eq!(read(&mut pair), vec![0.0; 2 * rows * dim]);
        assert_eq!(pair.optimizer.step_count(id), Ok(0));
        pair.step(&[Some(rng.gradient(rows, dim, 100))]);
        pair.assert_equal("moments that were made before the first step");
        let (moments, table) = (read(&mut pair), pair.table(0));
        for (row, moments) in moments.chunks_exact(2 * dim).enumerate() {
            let (exp_avg, exp_avg_sq) = moments.split_at(dim);
            assert_eq!(exp_avg, &table.exp_avg[row * dim..(row + 1) * dim]);
            assert_eq!(exp_avg_sq, &table.exp_avg_sq[row * dim..(row + 1) * dim]);
        }
        // What is written there, steps go on from.
        let window = pair.optimizer.moments(id).unwrap().swap_remove(0).region;
        let zeros = vec![0u8; window.size() as usize];
        pair.gpu.queue.write_buffer(window.buffer(), window.offset(), &zeros);
        pair.twins[0].exp_avg.fill(0.0);
        pair.twins[0].exp_avg_sq.fill(0.0);
        pair.step(&[Some(rng.gradient(rows, dim, 100))]);
        pair.assert_equal("moments that were written");
    }
}

#[test]
fn an_engine_reads_a_status_by_itself() {
    for on in variants() {
        let mut rng = Rng(2020);
        let mut pair = Pair::single(on, 20, 4, &mut rng);
        pair.set_grad(0, &Gradient { indices: vec![3, 20, -1], values: rng.floats(12) });
        pair.submit_step();
        let region = pair.optimizer.status_region(pair.ids[0]).unwrap();
        assert_eq!(region.size(), Status::BYTES);
        let bytes: Vec<u8> = pollster::block_on(pair.gpu.read(&region)).unwrap();
        assert_eq!(Status::from_bytes(&bytes), Ok(pair.status(0)));
        assert_eq!(Status::from_bytes(&bytes).unwrap().out_of_range, 2);
        let short = Status::from_bytes(&bytes[1..]);
        assert!(matches!(short, Err(Error::BufferTooSmall { expected: 32, found: 31, .. })));
    }
}

#[test]
fn a_gradient_without_entries_needs_no_buffers_and_counts() {
    for on in variants() {
        let mut rng = Rng(2030);
        let mut pair = Pair::single(on, 20, 4, &mut rng);
        let id = pair.ids[0];
        pair.step(&[Some(rng.gradient(20, 4, 30))]);
        let before = pair.table(0);
        let empty = SparseGrad::empty().padding_idx(99).count(pair.params[0].region.clone());
        pair.step_as(0, empty, &Gradient::default());
        pair.assert_equal("no entries");
        assert_eq!((pair.optimizer.dispatches(), pair.table(0).param), (0, before.param));
        // Beside another gradient, it adds nothing.
        let grad = rng.gradient(20, 4, 30);
        pair.set_grad(0, &grad);
        pair.optimizer.accumulate_grad(id, SparseGrad::empty()).unwrap();
        sparse_adam::reference::step(&mut pair.twins[0], &grad, &pair.options[0]);
        pair.submit_step();
        pair.assert_equal("no entries beside others");
    }
}

#[test]
fn gradients_are_cleared_or_zeroed() {
    let mut noop = Noop::new();
    let id = noop.optimizer.add_param(Param::new("p", noop.storage(160), [10, 4])).unwrap();
    type Deed = fn(&mut SparseAdam);
    let deeds: [(Deed, u64); 4] = [
        (SparseAdam::zero_grads, 1),
        (|optimizer| optimizer.zero_grad(false), 1),
        (SparseAdam::clear_grads, 0),
        (|optimizer| optimizer.zero_grad(true), 0),
    ];
    for (deed, counted) in deeds {
        noop.optimizer.set_grad(id, SparseGrad::empty()).unwrap();
        deed(&mut noop.optimizer);
        let before = noop.optimizer.step_count(id).unwrap();
        noop.step().unwrap();
        assert_eq!(noop.optimizer.step_count(id), Ok(before + counted));
    }
}

#[test]
fn regions_come_from_what_an_engine_has() {
    let noop = Noop::new();
    let buffer = noop.storage(1024);
    let (slice, part) = (buffer.slice(256..512), Region::new(&buffer, 256, 256));
    let size = std::num::NonZero::new(256);
    let binding = wgpu::BufferBinding { buffer: &buffer, offset: 256, size };
    let rest = wgpu::BufferBinding { size: None, ..binding.clone() };
    assert_eq!(Region::from(slice), part);
    assert_eq!(Region::from(&slice), part);
    assert_eq!(Region::from(&part), part);
    assert_eq!(Region::from(binding), part);
    assert_eq!(Region::from(rest), Region::new(&buffer, 256, 768));
    assert_eq!(Region::from(&buffer), Region::new(&buffer, 0, 1024));
    assert_eq!(Region::from(buffer.clone()), Region::from(&buffer));
}

#[test]
fn a_region_that_ends_behind_its_buffer_is_refused() {
    let mut noop = Noop::new();
    let id = noop.optimizer.add_param(Param::new("p", noop.storage(160), [10, 4])).unwrap();
    let buffer = noop.storage(1024);
    for (offset, size) in [(0, 1025), (1024, 1), (768, 257), (256, u64::MAX), (u64::MAX - 255, 512)]
    {
        let outside = Region::new(&buffer, offset, size);
        let refused = |result: Result<(), Error>| {
            assert!(
                matches!(&result, Err(Error::BufferTooSmall { what, .. }) if what.contains("the buffer of")),
                "{offset}, {size}: {result:?}"
            );
        };
        let param = Param::new("q", &outside, [8, 4]);
        refused(noop.optimizer.add_param(param).map(drop));
        refused(noop.optimizer.replace_param(id, &outside));
        let (ids, values) = (noop.storage(12), noop.storage(48));
        let grads = [
            SparseGrad::new(&outside, &values, 3),
            SparseGrad::new(&ids, &outside, 3),
            SparseGrad::new(&ids, &values, 3).weights(&outside),
            SparseGrad::new(&ids, &values, 3).count(&outside),
        ];
        for grad in grads {
            refused(noop.optimizer.set_grad(id, grad));
        }
        noop.assert_sound(id, noop.optimizer.step_count(id).unwrap());
    }
}
