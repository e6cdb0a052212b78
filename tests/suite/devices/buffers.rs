//! Buffers that were destroyed or belong to another device, queries and regions that do not fit.

use super::{buffer, noop, noops, storage};
use pollster::block_on;
use sparse_adam::{AdamOptions, Error, Param, ParamId, SparseAdam, SparseGrad, Timestamps};
use sparse_adam_testkit::gpus;
use sparse_adam_testkit::headless::Gpu;
use wgpu::{Buffer, BufferUsages, Limits, QuerySet, QuerySetDescriptor, QueryType};

const ROLES: [&str; 6] = ["parameter", "indices", "values", "value map", "weights", "count"];

/// A buffer per role, for a parameter `[10, 4]` and seven entries with three value rows.
struct Given([Buffer; 6]);

impl Given {
    fn on(gpu: &Gpu) -> Self {
        Self([160, 28, 48, 28, 28, 4].map(|bytes| storage(gpu, bytes)))
    }

    fn param(&self) -> Param {
        Param::new("p", &self.0[0], [10, 4])
    }

    fn grad(&self) -> SparseGrad {
        let [_, indices, values, map, weights, count] = &self.0;
        SparseGrad::new(indices, values, 7).value_map(map, 3).weights(weights).count(count)
    }
}

fn optimizer(gpu: &Gpu) -> SparseAdam {
    SparseAdam::new(&gpu.device, &gpu.queue, AdamOptions::default()).unwrap()
}

fn with_param(gpu: &Gpu, given: &Given) -> (SparseAdam, ParamId) {
    let mut optimizer = optimizer(gpu);
    let id = optimizer.add_param(given.param()).unwrap();
    (optimizer, id)
}

fn step(gpu: &Gpu, optimizer: &mut SparseAdam) -> Result<(), Error> {
    gpu.submit(|encoder| optimizer.step(encoder))
}

fn assert_names(called: Result<(), Error>, role: &str) {
    match called {
        Err(Error::InvalidBuffer { what, .. }) => assert!(what.contains(role), "{role}: {what}"),
        other => panic!("{role}: {other:?}"),
    }
}

#[test]
fn a_buffer_that_was_destroyed_is_named_before_anything_is_counted() {
    let gpu = noop(Limits::downlevel_defaults());
    for (number, role) in ROLES.into_iter().enumerate() {
        // Before it is given.
        let given = Given::on(&gpu);
        given.0[number].destroy();
        if number == 0 {
            assert_names(optimizer(&gpu).add_param(given.param()).map(drop), role);
            let (mut optimizer, id) = with_param(&gpu, &Given::on(&gpu));
            assert_names(optimizer.replace_param(id, &given.0[0]), "new place");
            continue;
        }
        let (mut optimizer, id) = with_param(&gpu, &Given::on(&gpu));
        assert_names(optimizer.set_grad(id, given.grad()), role);
        assert_names(optimizer.accumulate_grad(id, given.grad()), role);
        step(&gpu, &mut optimizer).unwrap();
        assert_eq!(optimizer.step_count(id), Ok(0));
    }
}

#[test]
fn a_buffer_that_is_destroyed_later_stops_the_step() {
    let gpu = noop(Limits::downlevel_defaults());
    for steps in [0, 1, 2] {
        for (number, role) in ROLES.into_iter().enumerate() {
            let given = Given::on(&gpu);
            let (mut optimizer, id) = with_param(&gpu, &given);
            optimizer.set_grad(id, given.grad()).unwrap();
            for _ in 0..steps {
                step(&gpu, &mut optimizer).unwrap();
            }
            given.0[number].destroy();
            assert_names(step(&gpu, &mut optimizer), role);
            assert_eq!(optimizer.step_count(id), Ok(steps), "{role}");
            let whole = Given::on(&gpu);
            optimizer.replace_param(id, &whole.0[0]).unwrap();
            optimizer.set_grad(id, whole.grad()).unwrap();
            step(&gpu, &mut optimizer).unwrap();
            assert_eq!(optimizer.step_count(id), Ok(steps + 1), "{role}");
        }
    }
}

#[test]
fn a_buffer_of_another_device_is_named_when_it_is_given() {
    let [gpu, other] = noops(Limits::downlevel_defaults());
    let foreign = Given::on(&other);
    assert_names(optimizer(&gpu).add_param(foreign.param()).map(drop), "parameter");
    for (number, role) in ROLES.into_iter().enumerate().skip(1) {
        let mut given = Given::on(&gpu);
        let (mut optimizer, id) = with_param(&gpu, &given);
        given.0[number] = foreign.0[number].clone();
        assert_names(optimizer.set_grad(id, given.grad()), role);
        // A count need not be bindable.
        given = Given::on(&gpu);
        given.0[5] = buffer(&other, 4, BufferUsages::COPY_SRC);
        assert_names(optimizer.set_grad(id, given.grad()), "count");
        assert_names(block_on(gpu.read::<u32>(&foreign.0[0])).map(drop), "region to read");
    }
}

#[test]
fn many_buffers_are_all_looked_at() {
    let gpu = noop(Limits::downlevel_defaults());
    let mut optimizer = optimizer(&gpu);
    let tables: Vec<_> = (0..9).map(|_| Given::on(&gpu)).collect();
    let ids = tables.iter().enumerate().map(|(number, given)| {
        let name = format!("table {number}");
        let id = optimizer.add_param(Param::new(name, &given.0[0], [10, 4])).unwrap();
        optimizer.set_grad(id, given.grad()).unwrap();
        id
    });
    let ids: Vec<_> = ids.collect();
    step(&gpu, &mut optimizer).unwrap();
    tables[6].0[2].destroy();
    assert_names(step(&gpu, &mut optimizer), "values of \"table 6\"");
    assert!(ids.iter().all(|&id| optimizer.step_count(id) == Ok(1)));
}

#[test]
fn timestamps_that_cannot_be_written_stop_the_step() {
    let [gpu, other] = noops(Limits::downlevel_defaults());
    let queries = |gpu: &Gpu, ty, count| {
        gpu.device.create_query_set(&QuerySetDescriptor { label: None, ty, count })
    };
    let good = queries(&gpu, QueryType::Timestamp, 12);
    let occlusion = queries(&gpu, QueryType::Occlusion, 12);
    let foreign = queries(&other, QueryType::Timestamp, 12);
    let destroyed = queries(&gpu, QueryType::Timestamp, 12);
    destroyed.destroy();
    let given = Given::on(&gpu);
    let (mut optimizer, id) = with_param(&gpu, &given);
    optimizer.set_grad(id, given.grad()).unwrap();
    let mut timed = |query_set: &QuerySet, first| {
        gpu.submit(|encoder| {
            optimizer.step_with_timestamps(encoder, Timestamps::new(query_set, first))
        })
    };
    for first in [5, u32::MAX - 7, u32::MAX] {
        let found = u64::from(first) + 8;
        match timed(&good, first) {
            Err(Error::TooLarge { found: told, limit: 12, .. }) => assert_eq!(told, found),
            other => panic!("{first}: {other:?}"),
        }
    }
    assert!(matches!(timed(&occlusion, 0), Err(Error::Unsupported { .. })));
    assert!(matches!(timed(&foreign, 0), Err(Error::Refused { .. })));
    assert_eq!(timed(&good, 4), Ok(()));
    assert_eq!(optimizer.step_count(id), Ok(1));
    let plain = wgpu::Device::noop(&Default::default());
    let plain = Gpu::new(plain.0, plain.1);
    let mut optimizer = self::optimizer(&plain);
    let called =
        plain.submit(|encoder| optimizer.step_with_timestamps(encoder, Timestamps::new(&good, 0)));
    assert!(matches!(called, Err(Error::Unsupported { .. })), "{called:?}");
}

#[test]
fn any_bytes_of_a_buffer_can_be_read() {
    for gpu in gpus() {
        let bytes: Vec<u8> = (0..=40).collect();
        let held = gpu.upload("bytes", &bytes);
        for (start, end) in [(0, 3), (1, 2), (3, 5), (5, 12), (8, 8), (39, 41), (40, 41)] {
            let read = block_on(gpu.read::<u8>(held.slice(start..end.max(start + 1)))).unwrap();
            let end = end.max(start + 1) as usize;
            assert_eq!(read, bytes[start as usize..end], "{start}..{end} of {}", gpu.describe());
        }
        let halves = block_on(gpu.read::<u32>(held.slice(..6)));
        assert!(matches!(halves, Err(Error::Unsupported { .. })), "{halves:?}");
        let odd = buffer(gpu, 7, BufferUsages::STORAGE | BufferUsages::COPY_SRC);
        assert_eq!(block_on(gpu.read::<u8>(odd.slice(..3))), Ok(vec![0; 3]));
        let reading = gpu.read::<u8>(&odd);
        // As an engine's executor may ask of it.
        fn is_send(_: &impl Send) {}
        is_send(&reading);
        let last = block_on(reading);
        assert!(matches!(last, Err(Error::Unsupported { .. })), "{last:?}");
        let hidden = buffer(gpu, 8, BufferUsages::STORAGE);
        let read = block_on(gpu.read::<u8>(&hidden));
        assert!(matches!(read, Err(Error::MissingUsage { .. })), "{read:?}");
    }
}

#[test]
fn commands_that_the_device_refuses_are_told() {
    let gpu = noop(Limits::downlevel_defaults());
    let (from, to) = (storage(&gpu, 16), storage(&gpu, 16));
    to.destroy();
    let copied = gpu.submit(|encoder| {
        encoder.copy_buffer_to_buffer(&from, 0, &to, 0, 16);
        Ok(())
    });
    assert!(matches!(copied, Err(Error::Refused { .. })), "{copied:?}");
}
