#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[cfg(feature = "checkpoint")]
mod checkpoint;
mod cut;
mod device_limits;
mod error;
mod grad;
mod gradients;
mod groups;
mod guard;
mod hooks;
mod ids;
pub mod lr_scheduler;
mod optimizer;
mod options;
mod param;
mod places;
mod readback;
mod recording;
pub mod reference;
mod region;
mod resources;
mod serde_with;
mod settle;
mod state_dict;
mod status;
mod step;
mod table;
#[cfg(feature = "checkpoint")]
mod tensor_file;
mod timestamps;
mod tuning;
mod upload;

pub use error::Error;
pub use grad::{Duplicates, IndexDtype, NonFinite, SparseGrad};
pub use hooks::HookId;
pub use ids::{GroupId, ParamId};
pub use optimizer::SparseAdam;
pub use options::{AdamOptions, ParamGroup};
pub use param::Param;
pub use region::Region;
pub use resources::Resources;
pub use state_dict::{GroupState, ParamState, StateDict};
pub use status::Status;
pub use step::plan::CHUNK;
pub use timestamps::{TIMED_STAGES, Timestamps};
pub use tuning::{Form, Tuning};

#[cfg(test)]
mod tests {
    #[test]
    fn the_test_kit_asks_of_drivers_what_the_planner_does() {
        assert_eq!(sparse_adam_testkit::conformance::TURNS, crate::step::turns::TURNS);
    }
}
