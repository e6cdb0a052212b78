//! Sizes per kind of adapter. They change the speed of a step, never a bit of its result.

use crate::Error;
use wgpu::{AdapterInfo, DeviceType};

/// Which form of the radix sort runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SortForm {
    /// One invocation sorts a whole tile, one pair after another: for adapters that are a CPU.
    Serial,
    /// A workgroup of 256 ranks a tile together: for GPUs.
    Wide,
}

/// How work is cut up. [`Tuning::for_adapter`] chooses; everything else takes the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Tuning {
    /// Form of the sort.
    pub sort: SortForm,
    /// Most key bits a sort pass handles: up to 8 for [`SortForm::Wide`], 12 for
    /// [`SortForm::Serial`].
    pub digit_bits: u32,
    /// Most lanes of invocations that share one row; a power of two.
    pub max_lanes: u32,
    /// Invocations a workgroup in ingest, partial and update; a power of two, at most 256.
    pub workgroup: u32,
    /// Sorted positions a workgroup of update, at most 256.
    pub update_tile: u32,
    /// Stretches that the tiles of update are dealt out to in turn; 1 keeps neighbours together.
    pub update_spread: u32,
}

impl Tuning {
    /// For adapters that are a CPU in disguise (llvmpipe, SwiftShader, WARP).
    pub const CPU: Self = Self {
        sort: SortForm::Serial,
        digit_bits: 10,
        max_lanes: 1,
        workgroup: 8,
        update_tile: 16,
        update_spread: 4,
    };

    /// For GPUs.
    pub const GPU: Self = Self {
        sort: SortForm::Wide,
        digit_bits: 8,
        max_lanes: 32,
        workgroup: 256,
        update_tile: 64,
        update_spread: 1,
    };

    /// The numbers for an adapter, from its type.
    pub fn for_adapter(info: &AdapterInfo) -> Self {
        // A software GL driver does not say that it is a CPU, but its renderer's name does.
        let software = ["llvmpipe", "swiftshader", "softpipe"];
        let name = info.name.to_lowercase();
        let is_cpu = info.device_type == DeviceType::Cpu
            || software.iter().any(|known| name.contains(known));
        if is_cpu { Self::CPU } else { Self::GPU }
    }

    pub(crate) fn validate(&self) -> Result<(), Error> {
        let most_digit_bits = match self.sort {
            SortForm::Serial => 12,
            SortForm::Wide => 8,
        };
        let checks = [
            ("tuning.digit_bits", self.digit_bits, most_digit_bits),
            ("tuning.max_lanes", self.max_lanes, self.workgroup),
            ("tuning.workgroup", self.workgroup, 256),
            ("tuning.update_tile", self.update_tile, 256),
            ("tuning.update_spread", self.update_spread, 1024),
        ];
        for (field, found, limit) in checks {
            let power = matches!(field, "tuning.max_lanes" | "tuning.workgroup");
            if found == 0 || found > limit || (power && !found.is_power_of_two()) {
                let expected = "at least 1, within the field's documented limit";
                return Err(Error::InvalidOption { field, expected, found: found.into() });
            }
        }
        Ok(())
    }

    /// Invocations that share a row of `columns` lanes.
    pub(crate) fn lanes(&self, columns: u32) -> u32 {
        columns.next_power_of_two().min(self.max_lanes)
    }
}
