//! Where the bytes of tables and gradients are put.

use super::Pair;
use crate::Poisoned;
use bytemuck::Pod;
use sparse_adam::Region;

impl Pair<'_> {
    /// A place for a table that holds `contents`.
    pub(super) fn place<T: Pod>(&mut self, contents: &[T]) -> Poisoned {
        match self.pools.first_mut() {
            Some(pool) => pool.place(self.gpu, contents),
            None => Poisoned::new(self.gpu, contents),
        }
    }

    /// A region with poison around it that lives as long as the pair.
    pub fn hold<T: Pod>(&mut self, contents: &[T]) -> Region {
        let poisoned = match self.pools.last_mut() {
            Some(pool) => pool.place(self.gpu, contents),
            None => Poisoned::new(self.gpu, contents),
        };
        let region = poisoned.region.clone();
        self.held.push(poisoned);
        region
    }
}
