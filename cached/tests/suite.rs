//! Cached tables on every adapter, and their files.

#[path = "suite/disks.rs"]
mod disks;
#[path = "suite/equality.rs"]
mod equality;
#[path = "suite/errors.rs"]
mod errors;
#[path = "suite/exports.rs"]
mod exports;
#[path = "suite/groups.rs"]
mod groups;
#[path = "suite/kills.rs"]
mod kills;
#[path = "suite/run.rs"]
mod run;
