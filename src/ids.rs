//! Handles of parameters and groups, which know their optimizer.

use std::sync::atomic::{AtomicU64, Ordering};

/// A parameter of an optimizer; those of one optimizer are ordered as they were added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParamId {
    /// The number of the optimizer that gave it out.
    pub(crate) optimizer: u64,
    pub(crate) index: usize,
}

/// A parameter group of an optimizer; those of one optimizer are ordered as they were added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupId {
    /// The number of the optimizer that gave it out.
    pub(crate) optimizer: u64,
    pub(crate) index: usize,
}

/// A number that no other optimizer of this process has.
pub(crate) fn next_optimizer() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
