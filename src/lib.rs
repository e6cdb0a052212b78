// Where the README's links lead in this documentation: a reference's first definition counts.
#![doc = "[embedding]: guide::embedding"]
#![doc = "[errors]: guide::embedding#errors"]
#![doc = "[lists]: guide::embedding#one-index-list-for-several-parameters"]
#![doc = "[tuning]: guide::embedding#tuning"]
#![doc = "[growing]: guide::growing"]
#![doc = "[backends]: guide::backends"]
#![doc = "[drivers]: guide::backends#software-drivers"]
#![doc = "[files]: guide::reliability#files"]
#![doc = "[scaling]: guide::scaling"]
#![doc = "[numerics]: guide::architecture#numerics"]
#![doc = "[memory]: guide::architecture#memory"]
#![doc = "[speed]: guide::speed"]
#![doc = ""]
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod arithmetic;
mod before;
mod cause;
#[cfg(feature = "checkpoint")]
mod checkpoint;
mod chunk;
mod cut;
mod device_limits;
mod entries;
mod error;
mod format;
mod grad;
mod guard;
#[cfg(all(doc, not(doctest)))]
pub mod guide;
mod hooks;
mod ids;
mod index_list;
mod kit;
pub mod lr_scheduler;
mod narrow;
mod optimizer;
mod options;
mod param;
mod places;
mod power;
mod probe;
mod readback;
pub mod reference;
mod region;
mod row_map;
mod rule;
mod serde_with;
mod state_dict;
mod status;
mod step;
mod table;
#[cfg(feature = "checkpoint")]
mod tensor_file;
mod timestamps;
#[cfg(feature = "tune")]
pub mod tune;
mod tuning;
mod upload;

pub use arithmetic::Arithmetic;
pub use cause::Cause;
pub use chunk::CHUNK;
pub use device_limits::USEFUL_FEATURES;
pub use entries::{Duplicates, IndexDtype, NonFinite};
pub use error::Error;
pub use format::{Format, Rounding};
pub use grad::SparseGrad;
pub use guard::poll_device;
pub use hooks::HookId;
pub use ids::{GroupId, ParamId};
pub use index_list::{GradValues, IndexList};
pub use kit::Kit;
pub use optimizer::{
    ClipGradNorm, ClippedStep, NormTotal, NormType, Resources, RowWindow, Scalars, SparseAdam,
};
pub use options::{
    AdamOptions, BiasCorrection, CatchUp, Clip, Epsilon, ParamGroup, Reduction, SecondMoment,
    WeightDecay,
};
pub use param::{Param, ParamPlace};
pub use probe::{Findings, Probe};
pub use region::Region;
pub use row_map::{ParamRows, RowList, RowMap};
pub use state_dict::{GroupState, ParamState, RowState, StateDict, StateStorage};
pub use status::Status;
pub use timestamps::{TIMED_STAGES, Timestamps};
pub use tuning::{Form, Tuning};
/// The wgpu that this crate's types are of.
pub use wgpu;

#[cfg(test)]
mod tests {
    #[test]
    fn the_test_kit_asks_of_drivers_what_the_planner_does() {
        assert_eq!(sparse_adam_testkit::conformance::TURNS, crate::step::budget::TURNS);
    }
}
