//! The probes, a file per idea. Each checks that its kernels did their work.

mod atomics;
mod chase;
mod device;
mod dispatches;
mod gather;
mod handover;
mod host;
mod resident;
mod scatter;
mod stream;
mod subgroups;
mod timestamps;
mod turns;
mod workgroup;

use crate::finding::{Failure, Finding};
use crate::lab::Lab;
use wgpu::Features;

type Probe = fn(&Lab) -> Result<Finding, Failure>;

/// What some probes use where it is there. Not of the device that all others run on: with subgroups enabled, wgpu
/// lets a driver choose their size anew for each pipeline.
pub const FEATURES: Features = Features::SUBGROUP.union(Features::MEMORY_DECORATION_COHERENT);

/// Those that use them.
pub const WITH_FEATURES: [&str; 2] = ["P14", "P16"];

/// In the order in which they run: first whether the GPU's clock can be believed, last what only then is known.
pub const ALL: [(&str, Probe); 16] = [
    ("P15", timestamps::clocks),
    ("P1", host::submissions),
    ("P2", dispatches::dispatches),
    ("P3", host::recording),
    ("P4", stream::streams),
    ("P5", gather::gathers),
    ("P6", scatter::scattered_stores),
    ("P7", chase::latencies),
    ("P8", workgroup::workgroup_memory),
    ("P9", atomics::storage_atomics),
    ("P10", resident::resident_groups),
    ("P11", turns::loops),
    ("P12", turns::private_arrays),
    ("P14", handover::handover),
    ("P16", subgroups::ballots),
    ("P0", device::device),
];
