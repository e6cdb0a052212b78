//! Functions called before and after each step.

use crate::Error;
use std::sync::Mutex;
use wgpu::{CommandEncoder, WasmNotSend};

/// A hook of an optimizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HookId {
    /// The number of the optimizer.
    pub(crate) optimizer: u64,
    /// Counted from its first hook on.
    pub(crate) number: u64,
}

/// A function of an optimizer `T` and the encoder that a step is recorded into.
pub(crate) trait Hook<T>:
    FnMut(&mut T, &mut CommandEncoder) -> Result<(), Error> + WasmNotSend
{
}

impl<T, F> Hook<T> for F where
    F: FnMut(&mut T, &mut CommandEncoder) -> Result<(), Error> + WasmNotSend
{
}

/// A hook that an optimizer holds. Nobody ever waits for the lock: it makes `Sync` what is only `Send`,
/// so that an optimizer can be a resource of an engine whatever its hooks hold.
pub(crate) type Held<T> = Mutex<Box<dyn Hook<T>>>;

/// Hooks in the order in which they were registered. The one that is running is not in its place.
pub(crate) struct Hooks<T> {
    pub hooks: Vec<(HookId, Option<Held<T>>)>,
}

impl<T> Default for Hooks<T> {
    fn default() -> Self {
        Self { hooks: Vec::new() }
    }
}

impl<T> std::fmt::Debug for Hooks<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_list().entries(self.hooks.iter().map(|(id, _)| id)).finish()
    }
}
