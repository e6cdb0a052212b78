//! Gradients of parameters, checked and exchanged.

use crate::entries::Entries;
use crate::places::overlap;
use crate::{Error, ParamId, SparseAdam, SparseGrad};

impl SparseAdam {
    /// Forgets all gradients: the next step skips the parameters and does not count for them
    /// (torch: `zero_grad()`, which is `zero_grad(set_to_none=True)`).
    pub fn clear_grads(&mut self) {
        self.zero_grads();
        for table in &mut self.tables {
            table.has_grad = false;
        }
    }

    /// Gives every parameter that has a gradient an empty one instead: the next step counts for it,
    /// and writes nothing (torch: `zero_grad(set_to_none=False)`).
    pub fn zero_grads(&mut self) {
        for table in &mut self.tables {
            table.grads.clear();
        }
    }

    /// [`SparseAdam::clear_grads`] with `set_to_none`, else [`SparseAdam::zero_grads`]: torch's name.
    pub fn zero_grad(&mut self, set_to_none: bool) {
        if set_to_none { self.clear_grads() } else { self.zero_grads() }
    }

    /// Checks a gradient of a parameter, and cuts its regions to what its entries occupy. None where
    /// it has none.
    ///
    /// # Errors
    /// Those of [`SparseAdam::set_grad`].
    pub(crate) fn checked_grad(
        &mut self,
        param: ParamId,
        grad: SparseGrad,
    ) -> Result<Option<Entries>, Error> {
        self.begin()?;
        let table = self.table(param)?;
        let entries = grad.check(&table.name, table.geometry, self.recorder.shape)?;
        let Some(entries) = entries else { return Ok(None) };
        for (role, region) in entries.roles() {
            if let Some(owner) = self.places.owners(region).next() {
                let owner = &self.tables[owner].name;
                return Err(overlap(("parameter", owner), (role, &table.name)));
            }
        }
        let name = self.tables[param.index].name.as_str();
        self.recorder.check_buffers(name, &entries)?;
        Ok(Some(entries))
    }

    /// Gives a parameter other gradients.
    pub(crate) fn exchange_grads(&mut self, param: ParamId, grads: Vec<Entries>) {
        let table = &mut self.tables[param.index];
        let mut old = std::mem::replace(&mut table.grads, grads);
        table.has_grad = true;
        old.clear();
        self.spare_grads = old;
    }
}
