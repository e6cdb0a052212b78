//! What bind groups hold of the caller's, and for how long.

use crate::guard::rig;
use crate::guard::world::World;
use crate::{Error, SparseGrad};
use wgpu::Buffer;

/// Whether a kept bind group holds `buffer`.
fn holds(world: &World, buffer: &Buffer) -> bool {
    let kept = world.optimizer.recorder.bind_groups.kept.keys();
    kept.flat_map(|(_, regions)| regions.iter().flatten()).any(|region| region.buffer() == buffer)
}

/// A step with new buffers for indices and values, which the gradient then lets go of.
fn fresh_step(world: &mut World) -> Buffer {
    let values = world.buffer(48);
    let grad = SparseGrad::new(world.buffer(12), &values, 3);
    world.optimizer.set_grad(world.first, grad).unwrap();
    world.step().unwrap();
    world.optimizer.clear_grads();
    values
}

#[test]
fn fresh_buffers_are_held_for_a_few_steps() {
    let mut world = World::new();
    let buffers: Vec<_> = (0..20).map(|_| fresh_step(&mut world)).collect();
    for (age, buffer) in buffers.iter().rev().enumerate() {
        assert_eq!(holds(&world, buffer), age <= 4, "after {age} steps");
    }
    // Steps without any gradient count.
    for _ in 0..5 {
        world.step().unwrap();
    }
    assert!(buffers.iter().all(|buffer| !holds(&world, buffer)));
}

#[test]
fn an_optimizer_that_rests_lets_go_when_it_is_trimmed() {
    let mut world = World::new();
    let grad = world.grad(100_000);
    world.optimizer.set_grad(world.first, grad).unwrap();
    world.step().unwrap();
    world.optimizer.clear_grads();
    let before = world.optimizer.resources();
    world.optimizer.trim();
    let after = world.optimizer.resources();
    assert!(world.optimizer.recorder.bind_groups.kept.is_empty());
    assert!(before.scratch_bytes > 800_000 && after.scratch_bytes < 1000, "{after:?}");
    assert_eq!(before.state_bytes, after.state_bytes);
    fresh_step(&mut world);
    assert_eq!(world.optimizer.step_count(world.first), Ok(2));
}

#[test]
fn turns_among_a_few_buffers_make_no_bind_groups() {
    let mut world = World::new();
    let ring: Vec<_> = (0..4).map(|_| world.grad(3)).collect();
    let turn = |world: &mut World| {
        for grad in &ring {
            world.optimizer.set_grad(world.first, grad.clone()).unwrap();
            world.step().unwrap();
        }
        world.optimizer.resources().bind_groups
    };
    let made = turn(&mut world);
    assert_eq!([(); 5].map(|()| turn(&mut world)), [made; 5]);
}

#[test]
fn bind_groups_of_a_refused_step_are_not_kept() {
    let mut world = World::new();
    let grad = world.grad(3);
    world.optimizer.set_grad(world.first, grad).unwrap();
    world.optimizer.prepare().unwrap();
    let refused = (0..).find(|&request| {
        rig::refuse_after(request);
        match world.step() {
            Err(Error::OutOfMemory { what, .. }) => what == "what a step binds",
            other => panic!("{other:?}"),
        }
    });
    assert!(refused.is_some());
    assert!(world.optimizer.recorder.bind_groups.kept.is_empty());
    world.step().unwrap();
}
