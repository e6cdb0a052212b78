//! Which tables take their entries from one index list.

use super::Table;

impl Table {
    /// The index list that it may have together with others; None where it has one by itself, or several.
    pub(super) fn shared_list(&self) -> Option<u64> {
        match &*self.grads {
            [grad] => grad.list,
            _ => None,
        }
    }
}

/// The table that makes the pairs of the index list of table `number`: the first that has it, perhaps itself. None
/// where the list is its own.
pub(super) fn maker(tables: &[Table], number: usize) -> Option<usize> {
    let list = tables[number].shared_list()?;
    tables[..=number].iter().position(|table| table.shared_list() == Some(list))
}
