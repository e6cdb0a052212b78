//! Hooks that change the list of hooks, fail, or panic, without a GPU.

use sparse_adam::{AdamOptions, Error, HookId, Param, ParamId, SparseAdam, SparseGrad};
use std::sync::mpsc::{Receiver, Sender, channel};
use wgpu::{BufferDescriptor, BufferUsages, CommandEncoder, Device, Queue};

struct Hooked {
    device: Device,
    queue: Queue,
    optimizer: SparseAdam,
    id: ParamId,
    calls: (Sender<&'static str>, Receiver<&'static str>),
}

/// What a hook does, beside telling its name.
type Deed = fn(&mut SparseAdam, HookId) -> Result<(), Error>;

impl Hooked {
    fn new() -> Self {
        let (device, queue) = Device::noop(&Default::default());
        let buffer = |size| {
            device.create_buffer(&BufferDescriptor {
                label: None,
                size,
                usage: BufferUsages::STORAGE,
                mapped_at_creation: false,
            })
        };
        let mut optimizer = SparseAdam::new(&device, &queue, AdamOptions::default()).unwrap();
        let id = optimizer.add_param(Param::new("p", buffer(160), [10, 4])).unwrap();
        let grad = SparseGrad::new(buffer(12), buffer(48), 3);
        optimizer.set_grad(id, grad).unwrap();
        Self { device, queue, optimizer, id, calls: channel() }
    }

    /// A hook before or after each step, that does `deed` to the hook that `target` sends.
    fn hook(&mut self, after: bool, name: &'static str, deed: Deed) -> (HookId, Sender<HookId>) {
        let (sender, target) = channel();
        let calls = self.calls.0.clone();
        let mut known = None;
        let hook = move |optimizer: &mut SparseAdam, _: &mut CommandEncoder| {
            calls.send(name).unwrap();
            known = target.try_iter().last().or(known);
            known.map_or(Ok(()), |target| deed(optimizer, target))
        };
        let id = match after {
            false => self.optimizer.register_step_pre_hook(hook),
            true => self.optimizer.register_step_post_hook(hook),
        };
        (id, sender)
    }

    fn plain(&mut self, after: bool, name: &'static str) -> HookId {
        self.hook(after, name, |_, _| Ok(())).0
    }

    /// A step, and who was called in it.
    fn step(&mut self) -> (Result<(), Error>, Vec<&'static str>) {
        let mut encoder = self.device.create_command_encoder(&Default::default());
        let stepped = self.optimizer.step(&mut encoder);
        self.queue.submit([encoder.finish()]);
        (stepped, self.calls.1.try_iter().collect())
    }

    fn called(&mut self) -> Vec<&'static str> {
        let (stepped, called) = self.step();
        assert_eq!(stepped, Ok(()));
        called
    }
}

fn remove(optimizer: &mut SparseAdam, target: HookId) -> Result<(), Error> {
    optimizer.remove_hook(target);
    Ok(())
}

#[test]
fn a_hook_may_remove_itself() {
    for after in [false, true] {
        let mut hooked = Hooked::new();
        hooked.plain(after, "first");
        let (own, target) = hooked.hook(after, "once", |optimizer, own| {
            assert!(optimizer.remove_hook(own), "it is there while it runs");
            assert!(!optimizer.remove_hook(own));
            Ok(())
        });
        target.send(own).unwrap();
        hooked.plain(after, "last");
        assert_eq!(hooked.called(), ["first", "once", "last"]);
        assert_eq!(hooked.called(), ["first", "last"]);
        assert!(!hooked.optimizer.remove_hook(own));
    }
}

#[test]
fn a_hook_that_is_removed_by_another_is_not_called_again() {
    for after in [false, true] {
        let mut hooked = Hooked::new();
        let earlier = hooked.plain(after, "earlier");
        let (_, first) = hooked.hook(after, "remover", remove);
        let later = hooked.plain(after, "later");
        hooked.plain(after, "last");
        first.send(later).unwrap();
        assert_eq!(hooked.called(), ["earlier", "remover", "last"]);
        first.send(earlier).unwrap();
        assert_eq!(hooked.called(), ["earlier", "remover", "last"]);
        assert_eq!(hooked.called(), ["remover", "last"]);
    }
}

#[test]
fn a_hook_that_is_registered_by_another_waits_for_the_next_step() {
    let mut hooked = Hooked::new();
    let calls = hooked.calls.0.clone();
    hooked.optimizer.register_step_pre_hook(move |optimizer, _| {
        for name in ["a", "b"] {
            let calls = calls.clone();
            optimizer.register_step_pre_hook(move |_, _| {
                calls.send(name).unwrap();
                Ok(())
            });
        }
        let calls = calls.clone();
        // Those of the other kind come later in the same step.
        optimizer.register_step_post_hook(move |_, _| {
            calls.send("after").unwrap();
            Ok(())
        });
        Ok(())
    });
    assert_eq!(hooked.called(), ["after"]);
    assert_eq!(hooked.called(), ["a", "b", "after", "after"]);
}

#[test]
fn a_hook_that_panics_takes_no_other_along() {
    for after in [false, true] {
        let mut hooked = Hooked::new();
        hooked.plain(after, "first");
        let (bad, target) = hooked.hook(after, "bad", |_, _| panic!("on purpose"));
        hooked.plain(after, "last");
        target.send(bad).unwrap();
        for steps in 1..3 {
            let stepped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| hooked.step()));
            assert!(stepped.is_err(), "it is still there");
            assert_eq!(hooked.calls.1.try_iter().collect::<Vec<_>>(), ["first", "bad"]);
            let counted = hooked.optimizer.step_count(hooked.id).unwrap();
            assert_eq!(counted, if after { steps } else { 0 });
        }
        let counted = hooked.optimizer.step_count(hooked.id).unwrap();
        assert!(hooked.optimizer.remove_hook(bad));
        assert_eq!(hooked.called(), ["first", "last"]);
        assert_eq!(hooked.optimizer.step_count(hooked.id), Ok(counted + 1));
    }
}

fn fail(_: &mut SparseAdam, _: HookId) -> Result<(), Error> {
    Err(Error::EmptyGroup)
}

#[test]
fn an_error_before_the_step_is_its_own_and_one_after_says_so() {
    for after in [false, true] {
        let mut hooked = Hooked::new();
        hooked.plain(after, "first");
        let (bad, target) = hooked.hook(after, "bad", fail);
        hooked.plain(after, "last");
        target.send(bad).unwrap();
        let (stepped, called) = hooked.step();
        assert_eq!(called, ["first", "bad"]);
        let own = Box::new(Error::EmptyGroup);
        let expected = if after { Error::AfterStep { source: own } } else { *own };
        assert_eq!(stepped, Err(expected.clone()));
        assert_eq!(std::error::Error::source(&expected).is_some(), after);
        assert_eq!(hooked.optimizer.step_count(hooked.id), Ok(after.into()));
        assert!(hooked.optimizer.remove_hook(bad));
        assert_eq!(hooked.called(), ["first", "last"]);
    }
}

#[test]
fn a_step_within_a_hook_calls_the_others() {
    let mut hooked = Hooked::new();
    hooked.plain(false, "other");
    hooked.optimizer.register_step_pre_hook(|optimizer, encoder| optimizer.step(encoder));
    assert_eq!(hooked.called(), ["other", "other"]);
    assert_eq!(hooked.optimizer.step_count(hooked.id), Ok(2));
}

#[test]
fn hooks_of_another_optimizer_are_not_there() {
    let (mut one, mut two) = (Hooked::new(), Hooked::new());
    let (own, _) = (one.plain(false, "one"), two.plain(false, "two"));
    assert!(!two.optimizer.remove_hook(own));
    assert_eq!(two.called(), ["two"]);
    assert_eq!(one.called(), ["one"]);
    assert!(one.optimizer.remove_hook(own));
}
