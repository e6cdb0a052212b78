//! Registering, removing and calling hooks.

use crate::hooks::{Held, Hook, HookId, Hooks};
use crate::{Error, SparseAdam};
use std::sync::{Mutex, PoisonError};
use wgpu::{CommandEncoder, WasmNotSend};

/// When a hook is called.
#[derive(Clone, Copy)]
enum Moment {
    Before,
    After,
}

/// A hook while it runs: it has the whole optimizer, so it is out of its place, and returns there
/// also where it panics, unless it has been removed.
struct Running<'a> {
    optimizer: &'a mut SparseAdam,
    moment: Moment,
    id: HookId,
    hook: Option<Held<SparseAdam>>,
}

impl Running<'_> {
    fn call(&mut self, encoder: &mut CommandEncoder) -> Result<(), Error> {
        let Self { optimizer, hook, .. } = self;
        let hook = hook.as_mut().map(|hook| hook.get_mut().unwrap_or_else(PoisonError::into_inner));
        hook.map_or(Ok(()), |hook| hook(optimizer, encoder))
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let hooks = &mut self.optimizer.hooks(self.moment).hooks;
        if let Some((_, place)) = hooks.iter_mut().find(|(id, _)| *id == self.id) {
            *place = self.hook.take();
        }
    }
}

impl SparseAdam {
    /// Calls `hook` at the start of each step, before the closure and before anything is
    /// recorded or counted (torch: `register_step_pre_hook`). It may record into the encoder,
    /// set gradients, or change learning rates. If it fails, so does the step: nothing of it
    /// is recorded or counted but what hooks did themselves.
    ///
    /// A hook may register and remove hooks, itself too: one that is registered while a step
    /// calls hooks of its kind is first called by the next step, one that is removed is not called
    /// again. A step that a hook takes does not call that hook. Natively a hook must be `Send`; it
    /// need not be `Sync`.
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
    /// step is recorded and counted all the same, the hooks behind it are not called, and the
    /// step returns [`Error::AfterStep`]. For the rest see [`SparseAdam::register_step_pre_hook`].
    pub fn register_step_post_hook(
        &mut self,
        hook: impl FnMut(&mut SparseAdam, &mut CommandEncoder) -> Result<(), Error>
        + WasmNotSend
        + 'static,
    ) -> HookId {
        self.register(Moment::After, Box::new(hook))
    }

    /// Removes a hook; whether it was there. Hooks of other optimizers are not.
    pub fn remove_hook(&mut self, id: HookId) -> bool {
        let before = self.pre_hooks.hooks.len() + self.post_hooks.hooks.len();
        self.pre_hooks.hooks.retain(|(held, _)| *held != id);
        self.post_hooks.hooks.retain(|(held, _)| *held != id);
        self.pre_hooks.hooks.len() + self.post_hooks.hooks.len() < before
    }

    fn register(&mut self, moment: Moment, hook: Box<dyn Hook<SparseAdam>>) -> HookId {
        let id = self.next_hook();
        self.hooks_made += 1;
        self.hooks(moment).hooks.push((id, Some(Mutex::new(hook))));
        id
    }

    /// The id of the hook that is registered next.
    fn next_hook(&self) -> HookId {
        HookId { optimizer: self.number, number: self.hooks_made }
    }

    fn hooks(&mut self, moment: Moment) -> &mut Hooks<SparseAdam> {
        match moment {
            Moment::Before => &mut self.pre_hooks,
            Moment::After => &mut self.post_hooks,
        }
    }

    pub(crate) fn call_pre_hooks(&mut self, encoder: &mut CommandEncoder) -> Result<(), Error> {
        // A step that a hook took and whose own hooks failed is not this step.
        self.call(Moment::Before, encoder).map_err(|error| match error {
            Error::AfterStep { source } => *source,
            error => error,
        })
    }

    /// Calls the hooks of a step that is recorded and counted.
    pub(crate) fn call_post_hooks(&mut self, encoder: &mut CommandEncoder) -> Result<(), Error> {
        let called = self.call(Moment::After, encoder);
        called.map_err(|source| Error::AfterStep { source: Box::new(source) })
    }

    fn call(&mut self, moment: Moment, encoder: &mut CommandEncoder) -> Result<(), Error> {
        let end = self.next_hook();
        let mut next = HookId { number: 0, ..end };
        // By their ids, because a hook may change the list.
        while let Some(mut running) = self.take_hook(moment, next..end) {
            next.number = running.id.number + 1;
            running.call(encoder)?;
        }
        Ok(())
    }

    /// The first hook with an id of `ids` that is not running.
    fn take_hook(&mut self, moment: Moment, ids: std::ops::Range<HookId>) -> Option<Running<'_>> {
        let mut hooks = self.hooks(moment).hooks.iter_mut();
        let (id, hook) =
            hooks.find_map(|(id, hook)| Some((*id, hook.take_if(|_| ids.contains(id))?)))?;
        Some(Running { optimizer: self, moment, id, hook: Some(hook) })
    }
}
