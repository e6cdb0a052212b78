//! The uniform structs of the shaders, as the host writes them.
//!
//! Field for field what the same-named WGSL structs declare; a test compares every offset
//! with the one naga computes.

use bytemuck::{Pod, Zeroable};

#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
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
    pub value_source: u32,
    pub value_base: u32,
    pub value_rows: u32,
    pub weighted: u32,
    pub entry_base: u32,
    pub sources: u32,
    pub padding_row: u32,
    pub has_weights: u32,
    pub key_bits: u32,
    pub block: u32,
    pub lists: u32,
}

#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct InspectConfig {
    pub entries: EntriesConfig,
    pub columns: u32,
    pub rows_a_window: u32,
    pub skip: u32,
    pub pad0: u32,
}

#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct RepeatsConfig {
    pub first: u32,
    pub end: u32,
    pub sentinel: u32,
    pub pad0: u32,
}

#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct Source {
    pub columns: u32,
    pub rows_a_window: u32,
    pub sources: u32,
    pub pad0: u32,
}

#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct EntryCount {
    pub entries: u32,
    pub pad0: u32,
    pub pad1: u32,
    pub pad2: u32,
}

#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct SortConfig {
    pub count: u32,
    pub shift: u32,
    pub radix: u32,
    pub tiles: u32,
    pub tile_size: u32,
    pub pad0: u32,
    pub pad1: u32,
    pub pad2: u32,
}

#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct PartialConfig {
    pub first: u32,
    pub end: u32,
    pub blocks: u32,
    pub stride: u32,
    pub sums: u32,
    pub sums_below: u32,
    pub sentinel: u32,
    pub slice: u32,
    pub source: Source,
}

#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct AdamHyper {
    pub step_size: f32,
    pub one_minus_beta1: f32,
    pub one_minus_beta2: f32,
    pub eps: f32,
}

impl AdamHyper {
    /// The hyperparameters of step `step` (from 1), each rounded once from f64.
    pub fn at(options: &crate::AdamOptions, step: u64) -> Self {
        Self {
            step_size: options.step_size(step) as f32,
            one_minus_beta1: (1.0 - options.betas.0) as f32,
            one_minus_beta2: (1.0 - options.betas.1) as f32,
            eps: options.eps as f32,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct UpdateConfig {
    pub hyper: AdamHyper,
    pub sums: [u32; 4],
    pub first: u32,
    pub end: u32,
    pub window_key: u32,
    pub window_rows: u32,
    pub levels: u32,
    pub maximize: u32,
    pub unique: u32,
    pub once: u32,
    pub source: Source,
    pub block: u32,
    pub lists: u32,
    pub slice: u32,
    pub pad0: u32,
}

#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct HeadsConfig {
    pub count: u32,
    pub block: u32,
    pub lists: u32,
    pub pad0: u32,
}
