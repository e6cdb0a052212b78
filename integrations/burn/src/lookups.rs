//! Lookups in a training step, and the sparse gradients they lead to.

use burn::module::{Param, ParamId};
use burn::tensor::{Gradients, Int, Tensor};

/// The lookups of one training step, so that their gradients can be found after backward.
///
/// Rows are looked up outside of autodiff and put into it as a leaf, so backward ends there: at
/// `[ids, dim]` value rows, and never at a dense `[rows, dim]` gradient of the table.
#[derive(Debug, Default)]
pub struct Lookups {
    made: Vec<Lookup>,
}

#[derive(Debug)]
struct Lookup {
    param: ParamId,
    ids: Tensor<1, Int>,
    rows: Tensor<2>,
}

impl Lookups {
    /// No lookups yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The rows of `weight` that `ids` name, `[ids, dim]`; repeats are allowed.
    ///
    /// Remembered only where the weight is on an autodiff device and requires a gradient, so
    /// the same code serves validation.
    pub fn select(&mut self, weight: &Param<Tensor<2>>, ids: Tensor<1, Int>) -> Tensor<2> {
        let table = weight.val();
        let tracked = table.is_require_grad();
        let strategy = table.gradient_checkpointing_strategy();
        let ids = ids.inner();
        let rows = table.inner().select(0, ids.clone());
        let Some(strategy) = strategy else {
            return rows;
        };
        let rows = Tensor::from_inner(rows).with_gradient_checkpointing_strategy(strategy);
        if !tracked {
            return rows;
        }
        let rows = rows.require_grad();
        self.made.push(Lookup {
            param: weight.id,
            ids,
            rows: rows.clone(),
        });
        rows
    }

    /// How many lookups there were.
    pub fn len(&self) -> usize {
        self.made.len()
    }

    /// Whether there were none.
    pub fn is_empty(&self) -> bool {
        self.made.is_empty()
    }

    /// Takes the lookups' gradients out of `grads`. Lookups that the loss does not depend on
    /// have none and are left out.
    pub fn gradients(self, grads: &mut Gradients) -> SparseGrads {
        let with_values = self.made.into_iter().filter_map(|lookup| {
            let values = lookup.rows.grad_remove(grads)?;
            Some(SparseGrad {
                param: lookup.param,
                ids: lookup.ids,
                values,
            })
        });
        SparseGrads {
            grads: with_values.collect(),
        }
    }
}

/// Sparse gradients of parameters: ids and value rows, on the device.
///
/// A parameter may have several; their entries are summed as those of one gradient are.
#[derive(Debug, Default)]
pub struct SparseGrads {
    pub(crate) grads: Vec<SparseGrad>,
}

#[derive(Debug)]
pub(crate) struct SparseGrad {
    pub param: ParamId,
    pub ids: Tensor<1, Int>,
    pub values: Tensor<2>,
}

impl SparseGrads {
    /// No gradients yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a gradient of `weight` that was computed in some other way: entry `e` adds row `e`
    /// of `values`, `[ids, dim]` f32, to row `ids[e]`. An id outside the table is left out and
    /// counted in the optimizer's status.
    pub fn push(&mut self, weight: &Param<Tensor<2>>, ids: Tensor<1, Int>, values: Tensor<2>) {
        self.grads.push(SparseGrad {
            param: weight.id,
            ids,
            values,
        });
    }

    /// Adds the gradients of another backward pass.
    pub fn append(&mut self, other: SparseGrads) {
        self.grads.extend(other.grads);
    }
}
