//! The uniform structs of the shaders, as the host writes them.
//!
//! Field for field what the same-named WGSL structs declare; a test compares every offset
//! with the one naga computes.

mod config;

pub use config::{Config, LARGEST};

use crate::rule::Words;
use bytemuck::{Pod, Zeroable};

/// Where a table is among the pairs, and which keys are its.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Keys {
    pub first: u32,
    pub end: u32,
    pub base: u32,
    pub sentinel: u32,
}

/// Where a table's values are, and how its rows are dealt out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct ValueLayout {
    pub columns: u32,
    pub rows_per_window: u32,
    pub terms: u32,
    pub slice: u32,
}

/// Lists of run heads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct HeadLists {
    pub count: u32,
    pub block: u32,
    pub first: u32,
    pub pad0: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct EntriesConfig {
    pub first: u32,
    pub capacity: u32,
    pub key_base: u32,
    pub sentinel: u32,
    pub index_format: u32,
    pub axes: u32,
    pub axis_size_0: u32,
    pub axis_size_1: u32,
    pub axis_size_2: u32,
    pub value_origin: u32,
    pub value_base: u32,
    pub value_rows: u32,
    pub weighted: u32,
    pub entry_base: u32,
    pub terms: u32,
    pub padding_row: u32,
    pub has_weights: u32,
    pub key_bits: u32,
    pub block: u32,
    pub lists: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct EntryCount {
    pub entries: u32,
    pub pad0: u32,
    pub pad1: u32,
    pub pad2: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct InspectConfig {
    pub entries: EntriesConfig,
    pub columns: u32,
    pub rows_per_window: u32,
    pub skip: u32,
    pub pad0: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct SortConfig {
    pub count: u32,
    pub shift: u32,
    pub radix: u32,
    pub tiles: u32,
    pub tile_size: u32,
    pub fused: u32,
    pub order: u32,
    pub pass_kind: u32,
    pub first: u32,
    pub next_first: u32,
    pub next_shift: u32,
    pub next_radix: u32,
    pub clear_words: u32,
    pub pad0: u32,
    pub pad1: u32,
    pub pad2: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct PartialConfig {
    pub keys: Keys,
    pub values: ValueLayout,
    pub blocks: u32,
    pub stride: u32,
    pub sums: u32,
    pub sums_below: u32,
    pub zero: u32,
    /// The bits of a f32.
    pub limit: u32,
    pub pad0: u32,
    pub pad1: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct UpdateConfig {
    pub sums: [u32; 4],
    pub keys: Keys,
    pub values: ValueLayout,
    pub lists: HeadLists,
    pub window_key: u32,
    pub window_rows: u32,
    pub levels: u32,
    pub first_wins: u32,
    pub unique: u32,
    pub zero: u32,
    /// The bits of a f32.
    pub limit: u32,
    pub numbers: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct RowsConfig {
    pub keys: Keys,
    pub window_key: u32,
    pub window_rows: u32,
    pub unique: u32,
    pub zero: u32,
    pub numbers: u32,
    pub squares: u32,
    pub blocks: u32,
    pub dim: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct FlushValues {
    pub columns: u32,
    pub strip: u32,
    pub pad0: u32,
    pub pad1: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct FlushConfig {
    pub values: FlushValues,
    pub rows: u32,
    pub first_row: u32,
    pub zero: u32,
    pub pad0: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct SquaresConfig {
    pub sums: [u32; 4],
    pub keys: Keys,
    pub values: ValueLayout,
    pub lists: HeadLists,
    pub squares: u32,
    pub blocks: u32,
    pub levels: u32,
    pub first_wins: u32,
    pub unique: u32,
    pub zero: u32,
    /// The bits of f32, both.
    pub limit: u32,
    pub grad_scale: u32,
    pub window_key: u32,
    pub window_rows: u32,
    pub mean: u32,
    pub pad0: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct NormSumConfig {
    pub keys: Keys,
    pub squares: u32,
    pub blocks: u32,
    pub unique: u32,
    pub tile: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct NormFactorConfig {
    /// The bits of a f32.
    pub most: u32,
    pub zero: u32,
    pub pad0: u32,
    pub pad1: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct TallyConfig {
    pub tables: u32,
    pub is_last: u32,
    pub pad0: u32,
    pub pad1: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct RemapConfig {
    pub rows: u32,
    pub map_first: u32,
    pub columns: u32,
    pub strip: u32,
    pub old_first: u32,
    pub old_rows: u32,
    pub pad0: u32,
    pub pad1: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct CheckConfig {
    pub capacity: u32,
    pub first: u32,
    pub rows: u32,
    pub counter: u32,
    pub none: u32,
    pub pad0: u32,
    pub pad1: u32,
    pub pad2: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct ResetConfig {
    pub capacity: u32,
    pub columns: u32,
    pub strip: u32,
    pub first_row: u32,
    pub rows: u32,
    pub pad0: u32,
    pub pad1: u32,
    pub pad2: u32,
}

/// A rule's words, and what random bits are drawn from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Drawn {
    pub rule: Words,
    pub step: u32,
    pub seed: u32,
    pub pad0: u32,
    pub pad1: u32,
}

/// One of the tables whose entries a dispatch takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct EntriesItem {
    pub config: EntriesConfig,
    pub first_workgroup: u32,
    pub entries: u32,
    pub index_first: u32,
    pub status_first: u32,
}

/// One of the tables whose chunks a dispatch sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct PartialItem {
    pub config: PartialConfig,
    pub first_workgroup: u32,
    pub value_first: u32,
    pub pad0: u32,
    pub pad1: u32,
}

/// One of the windows that a dispatch updates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct UpdateItem {
    pub config: UpdateConfig,
    pub first_workgroup: u32,
    pub param_first: u32,
    pub state_first: u32,
    pub value_first: u32,
}
