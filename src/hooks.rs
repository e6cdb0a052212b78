//! Functions called before and after each step.

use crate::{Error, SparseAdam};
use wgpu::{CommandEncoder, WasmNotSend};

/// A hook of an optimizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HookId(u64);

/// A function of an optimizer and the encoder that a step is recorded into.
trait Hook: FnMut(&mut SparseAdam, &mut CommandEncoder) -> Result<(), Error> + WasmNotSend {}

impl<F> Hook for F where
    F: FnMut(&mut SparseAdam, &mut CommandEncoder) -> Result<(), Error> + WasmNotSend
{
}

/// Hooks in the order in which they were registered.
#[derive(Default)]
pub(crate) struct Hooks {
    hooks: Vec<(HookId, Box<dyn Hook>)>,
}

impl std::fmt::Debug for Hooks {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_list().entries(self.hooks.iter().map(|(id, _)| id)).finish()
    }
}

/// When a hook is called.
#[derive(Clone, Copy)]
enum Moment {
    Before,
    After,
}

impl SparseAdam {
    /// Calls `hook` at the start of each step, before the closure and before anything is
    /// recorded or counted (torch: `register_step_pre_hook`). It may record into the encoder,
    /// set gradients, or change learning rates. If it fails, so does the step: nothing of it
    /// is recorded or counted but what hooks did themselves.
    pub fn register_step_pre_hook(
        &mut self,
        hook: impl FnMut(&mut SparseAdam, &mut CommandEncoder) -> Result<(), Error>
        + WasmNotSend
        + 'static,
    ) -> HookId {
        self.register(Moment::Before, Box::new(hook))
    }

    /// Calls `hook` at the end of each step, when it is recorded (torch:
    /// `register_step_post_hook`). What it records sees the step's results. If it fails, the
    /// step is recorded and counted all the same, and its error is returned.
    pub fn register_step_post_hook(
        &mut self,
        hook: impl FnMut(&mut SparseAdam, &mut CommandEncoder) -> Result<(), Error>
        + WasmNotSend
        + 'static,
    ) -> HookId {
        self.register(Moment::After, Box::new(hook))
    }

    /// Removes a hook; whether it was there.
    pub fn remove_hook(&mut self, id: HookId) -> bool {
        let before = self.pre_hooks.hooks.len() + self.post_hooks.hooks.len();
        self.pre_hooks.hooks.retain(|(held, _)| *held != id);
        self.post_hooks.hooks.retain(|(held, _)| *held != id);
        self.pre_hooks.hooks.len() + self.post_hooks.hooks.len() < before
    }

    fn register(&mut self, moment: Moment, hook: Box<dyn Hook>) -> HookId {
        let id = HookId(self.hooks_made);
        self.hooks_made += 1;
        self.hooks(moment).hooks.push((id, hook));
        id
    }

    fn hooks(&mut self, moment: Moment) -> &mut Hooks {
        match moment {
            Moment::Before => &mut self.pre_hooks,
            Moment::After => &mut self.post_hooks,
        }
    }

    pub(crate) fn call_pre_hooks(&mut self, encoder: &mut CommandEncoder) -> Result<(), Error> {
        self.call(Moment::Before, encoder)
    }

    pub(crate) fn call_post_hooks(&mut self, encoder: &mut CommandEncoder) -> Result<(), Error> {
        self.call(Moment::After, encoder)
    }

    fn call(&mut self, moment: Moment, encoder: &mut CommandEncoder) -> Result<(), Error> {
        // A hook gets the whole optimizer, so the hooks are taken out while they run.
        let mut hooks = std::mem::take(&mut self.hooks(moment).hooks);
        let called = hooks.iter_mut().try_for_each(|(_, hook)| hook(self, encoder));
        let added = std::mem::take(&mut self.hooks(moment).hooks);
        hooks.extend(added);
        self.hooks(moment).hooks = hooks;
        called
    }
}
