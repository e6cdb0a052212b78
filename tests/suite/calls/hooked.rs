//! Hooks that do things to the list of hooks, and how they should be called.

use sparse_adam::{Error, HookId, SparseAdam};
use std::sync::{Arc, Mutex, MutexGuard};
use wgpu::CommandEncoder;

/// What a hook does when it is called, beside telling.
#[derive(Clone, Copy, Debug)]
pub enum Deed {
    Nothing,
    Fail,
    Panic,
    RemoveSelf,
    RemoveNext,
    Register,
    ZeroGrad,
}

pub const DEEDS: [Deed; 7] = [
    Deed::Nothing,
    Deed::Fail,
    Deed::Panic,
    Deed::RemoveSelf,
    Deed::RemoveNext,
    Deed::Register,
    Deed::ZeroGrad,
];

/// Most hooks that are ever registered with one optimizer.
pub const MOST_HOOKS: usize = 60;

/// The error of a hook that fails.
pub const FAILED: Error = Error::EmptyGroup;

/// Ids of all hooks ever registered, by number, and the numbers of those that were called.
#[derive(Clone, Default)]
pub struct Book(Arc<Mutex<(Vec<HookId>, Vec<usize>)>>);

impl Book {
    fn lock(&self) -> MutexGuard<'_, (Vec<HookId>, Vec<usize>)> {
        self.0.lock().unwrap()
    }

    pub fn len(&self) -> usize {
        self.lock().0.len()
    }

    pub fn id(&self, number: usize) -> Option<HookId> {
        self.lock().0.get(number).copied()
    }

    pub fn take_calls(&self) -> Vec<usize> {
        std::mem::take(&mut self.lock().1)
    }

    /// Registers a hook; its number is how many there were.
    pub fn register(&self, optimizer: &mut SparseAdam, after: bool, deed: Deed) {
        let (book, number) = (self.clone(), self.len());
        let hook = move |optimizer: &mut SparseAdam, _: &mut CommandEncoder| {
            book.lock().1.push(number);
            book.act(optimizer, number, deed)
        };
        let id = match after {
            false => optimizer.register_step_pre_hook(hook),
            true => optimizer.register_step_post_hook(hook),
        };
        self.lock().0.push(id);
    }

    fn act(&self, optimizer: &mut SparseAdam, own: usize, deed: Deed) -> Result<(), Error> {
        let remove = |optimizer: &mut SparseAdam, number| {
            self.id(number).map(|id| optimizer.remove_hook(id));
        };
        match deed {
            Deed::Nothing => {}
            Deed::Fail => return Err(FAILED),
            // As a panic, but without a message.
            Deed::Panic => std::panic::resume_unwind(Box::new("a hook's")),
            Deed::RemoveSelf => remove(optimizer, own),
            Deed::RemoveNext => remove(optimizer, own + 1),
            Deed::Register if self.len() < MOST_HOOKS => {
                self.register(optimizer, false, Deed::Nothing);
            }
            Deed::Register => {}
            Deed::ZeroGrad => optimizer.zero_grad(true),
        }
        Ok(())
    }
}

/// How the calls of one kind of hooks end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    Good,
    Failed,
    Panicked,
}

/// The hooks that should be there.
#[derive(Clone, Debug, Default)]
pub struct HookModel {
    pub live: Vec<(usize, bool, Deed)>,
    pub made: usize,
}

impl HookModel {
    pub fn register(&mut self, after: bool, deed: Deed) {
        self.live.push((self.made, after, deed));
        self.made += 1;
    }

    /// Whether it was there.
    pub fn remove(&mut self, number: usize) -> bool {
        let before = self.live.len();
        self.live.retain(|hook| hook.0 != number);
        self.live.len() < before
    }

    /// Calls the hooks of a kind: pushes their numbers, tells whether gradients were zeroed, and
    /// how it ends.
    pub fn call(&mut self, after: bool, calls: &mut Vec<usize>) -> (bool, End) {
        let (mut next, end, mut zeroed) = (0, self.made, false);
        let mut due = |live: &[(usize, bool, Deed)]| {
            let is_due =
                |hook: &&(usize, bool, Deed)| hook.1 == after && (next..end).contains(&hook.0);
            let found = live.iter().find(is_due).copied();
            next = found.map_or(next, |hook| hook.0 + 1);
            found
        };
        while let Some((number, _, deed)) = due(&self.live) {
            calls.push(number);
            match deed {
                Deed::Nothing => {}
                Deed::Fail => return (zeroed, End::Failed),
                Deed::Panic => return (zeroed, End::Panicked),
                Deed::RemoveSelf => drop(self.remove(number)),
                Deed::RemoveNext => drop(self.remove(number + 1)),
                Deed::Register if self.made < MOST_HOOKS => self.register(false, Deed::Nothing),
                Deed::Register => {}
                Deed::ZeroGrad => zeroed = true,
            }
        }
        (zeroed, End::Good)
    }
}
