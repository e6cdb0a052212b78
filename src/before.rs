//! What the host goes back to where a device refuses late.

use crate::options::Group;
use crate::table::State;

/// The host's state before the first call that used what may turn out not to be there.
#[derive(Debug)]
pub(crate) struct Before {
    /// Of each table that there was.
    pub states: Vec<Option<State>>,
    /// The groups' options, where a state dict has been loaded since.
    pub groups: Option<Vec<Group>>,
}
