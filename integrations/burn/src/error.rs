//! What can go wrong between burn and the optimizer.

use std::fmt;

/// An error of this crate. A step that returns one changed no weight.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The optimizer refused.
    #[error(transparent)]
    Core(#[from] sparse_adam::Error),
    /// burn refused.
    #[error("burn, {doing}: {reason}")]
    Burn {
        /// What was asked of it.
        doing: &'static str,
        /// What it said.
        reason: String,
    },
    /// Something lives on another backend than wgpu, or on another device than the optimizer.
    #[error("{what} is on {found}, expected {expected}; create or move it there")]
    OtherDevice {
        /// What it is.
        what: String,
        /// The optimizer's device, or `a wgpu device`.
        expected: String,
        /// Its device.
        found: String,
    },
    /// A tensor of another element type than f32, or ids that are not 32 or 64-bit integers.
    #[error("{what} is {found}, expected {expected}; cast it")]
    WrongType {
        /// What it is.
        what: String,
        /// The types that fit.
        expected: &'static str,
        /// Its type.
        found: String,
    },
    /// A tensor of another shape than was expected.
    #[error("{what} has shape {found:?}, expected {expected:?}")]
    WrongShape {
        /// What it is.
        what: String,
        /// The shape that fits.
        expected: Vec<usize>,
        /// Its shape.
        found: Vec<usize>,
    },
    /// A weight that does not lie row after row, so that it cannot be updated in place.
    #[error(
        "weight {name:?} has strides {strides:?}, so its rows do not lie one after another; store it as a copy, for instance through `Tensor::from_data(weight.to_data(), ..)`"
    )]
    NotContiguous {
        /// The name it was added under.
        name: String,
        /// Its strides, in values.
        strides: Vec<usize>,
    },
    /// A weight that something else refers to as well and would see change.
    #[error(
        "weight {name:?} shares its buffer with a clone: of the module, of the parameter, or of a tensor taken from it; a step works in place and would change both; drop the clone first, or `fork` a module to keep"
    )]
    SharedWeight {
        /// The name it was added under.
        name: String,
    },
    /// A weight with a dense gradient, as torch's SparseAdam refuses it.
    #[error(
        "weight {name:?} has a dense gradient: it was used outside its lookups; SparseAdam does not support dense gradients, use burn's Adam for it instead"
    )]
    DenseGradient {
        /// The name it was added under.
        name: String,
    },
    /// A gradient of a parameter that the optimizer does not have.
    #[error("parameter {id} has a sparse gradient but was not added to the optimizer; add it")]
    NotAdded {
        /// burn's id of the parameter.
        id: String,
    },
    /// A parameter that was added already.
    #[error("parameter {name:?} has the same id as {earlier:?}, which was added before")]
    AddedTwice {
        /// The name it was added under now.
        name: String,
        /// The name it was added under before.
        earlier: String,
    },
    /// A parameter that has a gradient but is not in the module that was given to the step.
    #[error("parameter {name:?} has a gradient but is not in the module; give step its module")]
    NotInModule {
        /// The name it was added under.
        name: String,
    },
}

/// A step that failed, and the module it was given, unchanged.
///
/// Turns into its [`Error`] with `?` where the module is of no more use.
pub struct StepError<M> {
    /// The module.
    pub module: M,
    /// What went wrong.
    pub error: Error,
}

impl<M> fmt::Debug for StepError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.error, f)
    }
}

impl<M> fmt::Display for StepError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)
    }
}

impl<M> std::error::Error for StepError<M> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

impl<M> From<StepError<M>> for Error {
    fn from(failed: StepError<M>) -> Self {
        failed.error
    }
}
