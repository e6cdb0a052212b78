//! What the host goes back to where a device refuses late.

use crate::options::Group;
use crate::table::{Lain, State};
use std::collections::BTreeMap;

/// The host's state before the first call that used what may turn out not to be there.
#[derive(Debug)]
pub(crate) struct Before {
    /// Of each table that there was.
    pub states: Vec<Option<State>>,
    /// How tables lay that have been remapped since, by their number.
    pub lain: BTreeMap<usize, Lain>,
    /// The groups' options, where a state dict has been loaded since.
    pub groups: Option<Vec<Group>>,
}

impl Before {
    /// Forgets a table, whose place those behind it move up to.
    pub fn remove(&mut self, table: usize) {
        if table < self.states.len() {
            self.states.remove(table);
        }
        let moved = |(number, lain): (usize, Lain)| (number - usize::from(number > table), lain);
        self.lain.remove(&table);
        self.lain = std::mem::take(&mut self.lain).into_iter().map(moved).collect();
    }
}
