//! Every request that the library makes of a device, refused in turn: at once, and late.

use super::rig;
use super::world::{World, buffer};
use crate::{AdamOptions, Error, Param, ParamGroup, SparseAdam};
use pollster::block_on;
use wgpu::{PollError, PollStatus};

/// A call of the library, and what makes a world ready for it.
struct Call {
    name: &'static str,
    prepare: fn(&mut World),
    call: fn(&mut World) -> Result<(), Error>,
}

const CALLS: [Call; 21] = [
    Call { name: "new", prepare: nothing, call: new },
    Call { name: "add_param", prepare: nothing, call: add_param },
    Call { name: "add_param_group", prepare: nothing, call: add_param_group },
    Call { name: "replace_param", prepare: nothing, call: replace_param },
    Call { name: "set_grad", prepare: nothing, call: set_rich_grad },
    Call { name: "accumulate_grad", prepare: with_grad, call: accumulate_grad },
    Call { name: "first step", prepare: with_grad, call: World::step },
    Call { name: "rich step", prepare: with_rich_grad, call: World::step },
    Call { name: "larger step", prepare: with_larger_grad, call: World::step },
    Call { name: "step of two gradients", prepare: with_two_grads, call: World::step },
    Call { name: "step with a new chunk", prepare: with_a_full_chunk, call: World::step },
    Call { name: "timed step", prepare: with_grad, call: World::timed_step },
    Call { name: "step after trim", prepare: trimmed, call: World::step },
    Call { name: "status", prepare: with_state, call: status },
    Call { name: "state_dict", prepare: with_state, call: state_dict },
    Call { name: "state_of", prepare: with_state, call: state_of },
    Call { name: "load_state_dict", prepare: with_a_dict, call: load_state_dict },
    Call { name: "set_step_count", prepare: nothing, call: set_step_count },
    Call { name: "remap_rows", prepare: with_state_alone, call: World::remap_rows },
    Call { name: "reset_rows", prepare: with_state_alone, call: World::reset_rows },
    Call { name: "load_state_of", prepare: with_a_dict, call: load_state_of },
];

fn nothing(_: &mut World) {}

pub fn with_grad(world: &mut World) {
    let grad = world.grad(3);
    world.optimizer.set_grad(world.first, grad).unwrap();
}

fn with_rich_grad(world: &mut World) {
    set_rich_grad(world).unwrap();
}

fn with_state(world: &mut World) {
    with_grad(world);
    world.step().unwrap();
}

pub fn with_state_alone(world: &mut World) {
    with_state(world);
    world.optimizer.clear_grads();
}

fn with_larger_grad(world: &mut World) {
    with_state(world);
    let grad = world.grad(5000);
    world.optimizer.set_grad(world.first, grad).unwrap();
}

fn with_two_grads(world: &mut World) {
    with_state(world);
    accumulate_grad(world).unwrap();
    let counted = world.grad(7).count(world.buffer(4));
    world.optimizer.accumulate_grad(world.first, counted).unwrap();
}

/// The chunk of uniforms has no slot left.
fn with_a_full_chunk(world: &mut World) {
    with_state(world);
    while !world.optimizer.recorder.uniforms.is_full() {
        world.step().unwrap();
    }
}

fn trimmed(world: &mut World) {
    with_larger_grad(world);
    world.step().unwrap();
    world.optimizer.trim();
}

fn new(world: &mut World) -> Result<(), Error> {
    SparseAdam::new(&world.device, &world.queue, AdamOptions::default()).map(drop)
}

fn add_param(world: &mut World) -> Result<(), Error> {
    let param = world.param("second");
    world.optimizer.add_param(param).map(drop)
}

fn add_param_group(world: &mut World) -> Result<(), Error> {
    let group = ParamGroup::new([world.param("third"), world.param("fourth")]);
    world.optimizer.add_param_group(group).map(drop)
}

fn replace_param(world: &mut World) -> Result<(), Error> {
    let place = world.buffer(640);
    world.optimizer.replace_param(world.first, &place)
}

fn set_rich_grad(world: &mut World) -> Result<(), Error> {
    let grad = world.rich_grad();
    world.optimizer.set_grad(world.first, grad)
}

fn accumulate_grad(world: &mut World) -> Result<(), Error> {
    let grad = world.grad(5).weights(world.buffer(20));
    world.optimizer.accumulate_grad(world.first, grad)
}

fn status(world: &mut World) -> Result<(), Error> {
    block_on(world.optimizer.status(world.first)).map(drop)
}

fn state_dict(world: &mut World) -> Result<(), Error> {
    block_on(world.optimizer.state_dict()).map(drop)
}

fn state_of(world: &mut World) -> Result<(), Error> {
    block_on(world.optimizer.state_of(world.first)).map(drop)
}

fn set_step_count(world: &mut World) -> Result<(), Error> {
    world.optimizer.set_step_count(world.first, 5)
}

fn load_state_dict(world: &mut World) -> Result<(), Error> {
    world.optimizer.load_state_dict(&world.dict)
}

fn load_state_of(world: &mut World) -> Result<(), Error> {
    world.optimizer.load_state_of(world.first, &world.dict.state[&0])
}

/// A dict at step 7 and another learning rate.
fn with_a_dict(world: &mut World) {
    with_state(world);
    world.dict = block_on(world.optimizer.state_dict()).unwrap();
    world.dict.param_groups[0].options.lr = 0.5;
    world.dict.state.get_mut(&0).unwrap().step = 7;
}

pub fn assert_out_of_memory(called: &Result<(), Error>, what: &str) {
    assert!(matches!(called, Err(Error::OutOfMemory { .. })), "{what}: {called:?}");
}

#[test]
fn whatever_is_refused_the_call_fails_and_changes_nothing() {
    for Call { name, prepare, call } in CALLS {
        for request in 0.. {
            let mut world = World::new();
            prepare(&mut world);
            let before = world.host();
            rig::refuse_after(request);
            let called = call(&mut world);
            if rig::spare() {
                assert_eq!(called, Ok(()), "{name}");
                assert!(request > 0, "{name} asks nothing of the device");
                break;
            }
            assert_out_of_memory(&called, &format!("{name}, request {request}"));
            assert_eq!(world.host(), before, "{name}, request {request}");
            assert_eq!(call(&mut world), Ok(()), "{name} after request {request} was refused");
            with_grad(&mut world);
            assert_eq!(world.step(), Ok(()), "a step after {name}");
        }
    }
}

/// Calls that change the optimizer and need no answer from the device to do so.
const TRUSTING: [usize; 15] = [1, 2, 4, 5, 6, 7, 8, 9, 10, 12, 16, 17, 18, 19, 20];

#[test]
fn what_is_refused_late_is_taken_back() {
    for Call { name, prepare, call } in TRUSTING.map(|number| &CALLS[number]) {
        for request in 0.. {
            let mut world = World::new();
            prepare(&mut world);
            let before = counts(&world.optimizer);
            let late = rig::hold_back();
            rig::refuse_after(request);
            assert_eq!(call(&mut world), Ok(()), "{name} takes it on trust");
            let refused = !rig::spare();
            let after = counts(&world.optimizer);
            with_grad(&mut world);
            for _ in 0..3 {
                assert_eq!(world.step(), Ok(()), "{name} has not heard yet");
            }
            late.arrive();
            if !refused {
                drop(late);
                assert_eq!(world.step(), Ok(()), "{name}");
                assert!(world.optimizer.before.is_none(), "{name}: everything is there");
                assert_eq!(
                    world.optimizer.step_count(world.first),
                    Ok(after[0].1.unwrap_or(0) + 4)
                );
                break;
            }
            let read = block_on(world.optimizer.state_dict()).map(drop);
            assert_out_of_memory(&read, &format!("reading after {name}, request {request}"));
            let grad = world.grad(3);
            let called = world.optimizer.set_grad(world.first, grad);
            assert_out_of_memory(&called, &format!("after {name}, request {request}"));
            assert_eq!(counts(&world.optimizer)[..before.len()], before, "{name}, {request}");
            let added = counts(&world.optimizer).split_off(before.len());
            assert!(added.iter().all(|(_, step, _)| step.is_none()), "{name}, {request}");
            drop(late);
            with_grad(&mut world);
            assert_eq!(world.step(), Ok(()), "a step after {name}, request {request}");
            let steps = before[0].1.unwrap_or(0) + 1;
            assert_eq!(world.optimizer.step_count(world.first), Ok(steps), "{name}, {request}");
        }
    }
}

/// The learning rate, the steps of its state and the rows of each parameter.
fn counts(optimizer: &SparseAdam) -> Vec<(f64, Option<u64>, u32)> {
    let lr = |table: &crate::table::Table| optimizer.groups[table.group].options.lr;
    let steps = |table: &crate::table::Table| table.state.as_ref().map(|state| state.step);
    optimizer.tables.iter().map(|of| (lr(of), steps(of), of.geometry.rows)).collect()
}

#[test]
fn a_new_optimizer_hears_late_what_it_lacks() {
    let (device, queue) = rig::open();
    for request in [0, 3, 4] {
        let late = rig::hold_back();
        rig::refuse_after(request);
        let mut optimizer = SparseAdam::new(&device, &queue, AdamOptions::default()).unwrap();
        assert!(!rig::spare());
        late.arrive();
        let called = optimizer.add_param(Param::new("p", buffer(&device, 640), [40, 4])).map(drop);
        assert_out_of_memory(&called, "the first call");
        drop(late);
        optimizer.add_param(Param::new("p", buffer(&device, 640), [40, 4])).unwrap();
    }
}

#[test]
fn a_poll_that_finds_the_device_gone_is_an_error() {
    let gone: Result<(), _> =
        super::unless_fatal(|| panic!("Error in Device::poll: {}", "Parent device is lost"));
    assert!(matches!(gone, Err(Error::DeviceLost { .. })));
    let other = std::panic::catch_unwind(|| super::unless_fatal(|| panic!("a callback's own")));
    assert!(other.map(|_: Result<(), Error>| ()).is_err());
}

/// As wgpu's GL does after 2.1 s.
#[test]
fn a_wait_that_is_given_up_goes_on() {
    let mut polls = 0;
    let told = super::until_told(|| {
        polls += 1;
        Ok(if polls < 3 { Err(PollError::Timeout) } else { Ok(PollStatus::QueueEmpty) })
    });
    assert!(told.is_ok());
    assert_eq!(polls, 3);
    let wrong = || Ok(Err(PollError::WrongSubmissionIndex(2, 1)));
    assert!(matches!(super::until_told(wrong), Err(Error::DeviceLost { .. })));
}
