//! Sizes per kind of adapter, which change the speed of a step and never a bit of its result, and the
//! arithmetic.

use crate::{Arithmetic, Error};
use wgpu::{AdapterInfo, Backend, DeviceType};

/// Which form of the stages runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "tune", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "tune", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Form {
    /// One invocation does a stretch of work by itself, one piece after another, and owns whole
    /// rows: for adapters that are a CPU.
    Serial,
    /// Workgroups share their work, and neighbouring invocations take neighbouring bytes: for
    /// GPUs.
    Parallel,
}

/// How work is cut up. [`Tuning::for_adapter`] chooses; everything else takes the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "tune", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Tuning {
    /// Form of the stages.
    pub form: Form,
    /// Most key bits a sort pass handles: up to 8 for [`Form::Parallel`], 12 for [`Form::Serial`].
    pub digit_bits: u32,
    /// Most lanes of invocations that share one row; a power of two. 1 for [`Form::Serial`].
    pub max_lanes: u32,
    /// Invocations per workgroup in ingest, partial and update; a power of two from 8 to 256. CPU
    /// adapters run eight invocations side by side, and llvmpipe before Mesa 25 lets those that a
    /// smaller workgroup has not run on in loops, until all loops are cut short.
    pub workgroup: u32,
    /// Neighbouring entries that an invocation of ingest takes, at most 1,024.
    pub ingest_strip: u32,
    /// Sorted positions per workgroup of update: at most 256 for [`Form::Parallel`]; at most 4,096 for
    /// [`Form::Serial`], which takes fewer where a step is small.
    pub update_tile: u32,
    /// Stretches that the tiles of partial and of [`Form::Serial`]'s update are dealt out to in
    /// turn, so that neighbouring tiles go to different threads.
    pub interleave: u32,
    /// Columns that an invocation of partial sums at once, at most 8, of a row of few columns no more than
    /// the next power of two; only for [`Form::Serial`].
    pub sums_at_once: u32,
    /// Most entries of a table whose gradient is ingested and sorted by one workgroup, if those of all tables of the step
    /// can be, which [`Form::Serial`] does for one table alone; up to 4,096.
    pub small: u32,
    /// Most entries of such a table that a bitonic network sorts, and not a radix sort, if those of all tables can be; up to
    /// 1,024. Only for [`Form::Parallel`].
    pub bitonic: u32,
    /// Whether the sort of [`Form::Parallel`] ranks pairs by ballots of subgroups, where the device has `Features::SUBGROUP`
    /// and subgroups of 8 to 128 neighbours. That feature is not among [`USEFUL_FEATURES`](crate::USEFUL_FEATURES): with it, wgpu lets a
    /// driver choose the size of subgroups anew for each pipeline of a device.
    pub ballots: bool,
    /// Pairs of a sort of [`Form::Parallel`] from which on a tile's are put in order in workgroup memory before they are
    /// written, where the device has 28 KiB of it (`max_compute_workgroup_storage_size`).
    pub reorder_from: u32,
    /// Whether each pass of that sort counts the digits of the next.
    pub count_ahead: bool,
    /// Whether rows of an even number of f32 are moved as 64-bit numbers, where the device has
    /// `Features::SHADER_INT64`.
    pub u64_rows: bool,
    /// How floats are computed with. The one field that results depend on, where
    /// [`Arithmetic::Fast`] is not exact.
    pub arithmetic: Arithmetic,
}

impl Tuning {
    /// For adapters that are a CPU in disguise (llvmpipe, SwiftShader, WARP).
    pub const CPU: Self = Self {
        form: Form::Serial,
        digit_bits: 10,
        max_lanes: 1,
        workgroup: 8,
        ingest_strip: 32,
        update_tile: 1024,
        interleave: 4,
        sums_at_once: 8,
        small: 4096,
        bitonic: 1,
        ballots: false,
        reorder_from: u32::MAX,
        count_ahead: false,
        u64_rows: true,
        arithmetic: Arithmetic::Fast,
    };

    /// For GPUs.
    pub const GPU: Self = Self {
        form: Form::Parallel,
        digit_bits: 8,
        max_lanes: 32,
        workgroup: 256,
        ingest_strip: 1,
        update_tile: 64,
        interleave: 1,
        sums_at_once: 1,
        small: 4096,
        bitonic: 256,
        ballots: false,
        reorder_from: u32::MAX,
        count_ahead: false,
        u64_rows: false,
        arithmetic: Arithmetic::Exact,
    };

    /// Largest tile of [`Form::Serial`]'s update.
    pub(crate) const MOST_TILE: u32 = 4096;

    /// The numbers for an adapter, from its type.
    #[must_use]
    pub fn for_adapter(info: &AdapterInfo) -> Self {
        // A software GL driver does not say that it is a CPU, but its renderer's name does.
        let software = ["llvmpipe", "swiftshader", "softpipe"];
        let name = info.name.to_lowercase();
        let is_cpu = info.device_type == DeviceType::Cpu
            || software.iter().any(|known| name.contains(known));
        match is_cpu {
            false => Self::GPU,
            true if info.backend == Backend::Vulkan => Self::CPU,
            // Through GL, Mesa has been seen to reorder sums; of others, nothing is known.
            true => Self { arithmetic: Arithmetic::Exact, ..Self::CPU },
        }
    }

    pub(crate) fn validate(&self) -> Result<(), Error> {
        let [digit_bits, lanes, tile] = match self.form {
            Form::Serial => [12, 1, Self::MOST_TILE],
            Form::Parallel => [8, self.workgroup, 256],
        };
        let checks = [
            ("tuning.digit_bits", self.digit_bits, digit_bits),
            ("tuning.max_lanes", self.max_lanes, lanes),
            ("tuning.workgroup", self.workgroup, 256),
            ("tuning.ingest_strip", self.ingest_strip, 1024),
            ("tuning.update_tile", self.update_tile, tile),
            ("tuning.interleave", self.interleave, 1024),
            ("tuning.sums_at_once", self.sums_at_once, 8),
            ("tuning.small", self.small, 4096),
            ("tuning.bitonic", self.bitonic, 1024),
            ("tuning.reorder_from", self.reorder_from, u32::MAX),
        ];
        for (field, found, limit) in checks {
            let power = matches!(field, "tuning.max_lanes" | "tuning.workgroup");
            let least = if field == "tuning.workgroup" { 8 } else { 1 };
            if found < least || found > limit || (power && !found.is_power_of_two()) {
                let expected = "a number within the field's documented limits";
                return Err(Error::InvalidOption { field, expected, found: found.into() });
            }
        }
        Ok(())
    }

    /// Invocations that share a row of `columns` lanes.
    pub(crate) fn lanes(&self, columns: u32) -> u32 {
        columns.next_power_of_two().min(self.max_lanes)
    }

    /// Columns of a row of `columns` that an invocation of partial sums at once. What lies past the last is summed in vain, so
    /// a row of few takes fewer, by powers of two, for which there are few kernels.
    pub(crate) fn at_once(&self, columns: u32) -> u32 {
        match self.form {
            Form::Serial => columns.next_power_of_two().min(self.sums_at_once),
            // Its lanes share a chunk, a column each.
            Form::Parallel => 1,
        }
    }
}
