//! Gradients of parameters, checked and exchanged.

use crate::places::overlap;
use crate::{Error, ParamId, SparseAdam, SparseGrad};

impl SparseAdam {
    /// Checks a gradient of a parameter, and cuts its regions to what its entries occupy.
    ///
    /// # Errors
    /// Those of [`SparseAdam::set_grad`].
    pub(crate) fn checked_grad(
        &mut self,
        param: ParamId,
        grad: SparseGrad,
    ) -> Result<SparseGrad, Error> {
        self.begin()?;
        let table = self.table(param)?;
        let grad =
            grad.check(&table.name, (table.geometry, table.row_bytes), self.recorder.shape)?;
        if grad.nnz == 0 {
            return Ok(grad);
        }
        for (role, region) in grad.roles() {
            if let Some(owner) = self.places.owners(region).next() {
                let owner = &self.tables[owner].name;
                return Err(overlap(("parameter", owner), (role, &table.name)));
            }
        }
        let name = self.tables[param.index].name.as_str();
        self.recorder.check_buffers(name, &grad)?;
        Ok(grad)
    }

    /// Gives a parameter other gradients.
    pub(crate) fn exchange_grads(&mut self, param: ParamId, grads: Vec<SparseGrad>) {
        let table = &mut self.tables[param.index];
        let mut old = std::mem::replace(&mut table.grads, grads);
        table.has_grad = true;
        old.clear();
        self.spare_grads = old;
    }
}
