//! What one step will do: key ranges, sort passes, scratch sizes, dispatch grids. Pure.

use super::shaders::WIDE_WINDOWS;
use crate::param::Geometry;
use crate::{Error, SortForm, Tuning};

/// Fan-in of the tree that sums a row's entries: entries are added one after another in chunks
/// of `CHUNK` counted from the row's first entry, then the chunk sums in chunks of `CHUNK`,
/// and so on. Part of the numerics contract: it is the same on every adapter.
pub const CHUNK: u32 = 64;

/// Most entries that `ingest_small` takes.
pub(crate) const SMALL: u32 = 1024;
/// Pairs of a tile of the wide sort.
const WIDE_TILE: u32 = 2048;
/// Bounds of the serial sort: no loop of more than 32,768 turns (some drivers stop at 65,535).
const SERIAL_TILE: std::ops::RangeInclusive<u32> = 512..=32_768;
const SERIAL_TILES: u32 = 64;

/// What a device allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeviceShape {
    /// Largest storage binding, in bytes; below 4 GiB.
    pub max_binding: u64,
    /// Multiple that a storage binding's offset must have, in bytes.
    pub alignment: u64,
    /// Most workgroups on one axis of a dispatch.
    pub max_workgroups: u32,
    /// Bindings that a gradient's values may span.
    pub value_windows: usize,
}

impl DeviceShape {
    pub fn of(limits: &wgpu::Limits) -> Self {
        // Backends address storage with 32-bit byte offsets, so 4 GiB is out of reach.
        let max_binding = limits.max_storage_buffer_binding_size.min(u64::from(u32::MAX) & !3);
        Self {
            max_binding: max_binding.min(limits.max_buffer_size),
            alignment: u64::from(limits.min_storage_buffer_offset_alignment),
            max_workgroups: limits.max_compute_workgroups_per_dimension,
            // Three others are bound beside the values.
            value_windows: match limits.max_storage_buffers_per_shader_stage as usize {
                buffers if buffers >= 3 + WIDE_WINDOWS => WIDE_WINDOWS,
                _ => 1,
            },
        }
    }
}

/// A run of rows of one table, small enough that its moments fit one storage binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub first_row: u32,
    pub rows: u32,
}

/// Cuts `rows` rows into windows whose parameter bytes start at aligned offsets.
pub(crate) fn windows(
    rows: u32,
    row_bytes: u64,
    device: DeviceShape,
) -> Result<Vec<Window>, Error> {
    let a_window = rows_a_window(rows, 2 * row_bytes, row_bytes, device);
    if a_window == 0 {
        return Err(Error::TooLarge {
            what: "bytes of the moments of the rows that must share a binding".into(),
            found: 2 * row_bytes * aligned_rows(row_bytes, device),
            limit: device.max_binding,
            remedy: "request a larger max_storage_buffer_binding_size",
        });
    }
    let window = |first_row| Window { first_row, rows: a_window.min(rows - first_row) };
    Ok((0..rows).step_by(a_window as usize).map(window).collect())
}

/// Rows of `bound_bytes` that one binding holds, such that every window of rows of `row_bytes`
/// starts at an aligned offset; 0 where there is no such number.
pub(crate) fn rows_a_window(
    rows: u32,
    bound_bytes: u64,
    row_bytes: u64,
    device: DeviceShape,
) -> u32 {
    let fitting = device.max_binding / bound_bytes;
    if fitting >= u64::from(rows) {
        return rows;
    }
    let unit = aligned_rows(row_bytes, device);
    (fitting / unit * unit) as u32
}

/// Rows after which the offset is aligned again.
fn aligned_rows(row_bytes: u64, device: DeviceShape) -> u64 {
    device.alignment / gcd(device.alignment, row_bytes)
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// A dispatch grid: workgroups on two axes, at least as many as are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    pub x: u32,
    pub y: u32,
}

impl Grid {
    pub fn over(workgroups: u32, device: DeviceShape) -> Self {
        let x = workgroups.clamp(1, device.max_workgroups);
        Self { x, y: workgroups.div_ceil(x).max(1) }
    }
}

/// What a step is asked to do for one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TableStep {
    pub geometry: Geometry,
    /// Entries of its gradient; at least 1.
    pub nnz: u32,
    /// Whether its entries are sorted; else no row is named twice.
    pub sorted: bool,
    /// Whether only the first entry of a row counts.
    pub once: bool,
    /// Whether its entries have weights.
    pub weighted: bool,
    /// Whether its pairs come from one gradient and nothing looks at them before the sort.
    pub plain: bool,
}

/// What a step will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// In the order of the tables asked for.
    pub tables: Vec<TablePlan>,
    pub sort: SortPlan,
    /// Whether `ingest_small` takes the place of ingest and sort.
    pub small: bool,
    /// Pairs of all tables, sorted or not.
    pub pairs: u32,
    /// Words of the buffer of sorted pairs and partial sums.
    pub sorted_words: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TablePlan {
    /// The table's positions among the pairs, before and after the sort: `[first, end)`.
    pub first: u32,
    pub end: u32,
    /// Its keys are `[key_base, sentinel]`, the last for entries that name no row.
    pub key_base: u32,
    pub sentinel: u32,
    /// First word of its sources, where it has weights.
    pub sources: u32,
    /// One invocation a position.
    pub entries: Grid,
    pub levels: Vec<LevelPlan>,
    pub update: Grid,
}

/// One level of chunk sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LevelPlan {
    /// Positions a block: `CHUNK^level`.
    pub stride: u32,
    pub blocks: u32,
    /// First word of the sums `[blocks, dim]`.
    pub sums: u32,
    pub grid: Grid,
}

/// The radix sort of the pairs that are to be sorted: the first `count`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SortPlan {
    pub count: u32,
    pub tiles: u32,
    pub tile_size: u32,
    pub passes: Vec<Pass>,
    /// Words of the histogram and digit totals.
    pub histogram_words: u64,
    /// Grid of the histogram and scatter dispatches.
    pub tile_grid: Grid,
}

/// One pass over one digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pass {
    pub shift: u32,
    pub radix: u32,
    pub scan: Grid,
}

/// Plans a step.
///
/// # Errors
/// [`Error::TooLarge`] where keys, pairs or scratch exceed what the device can address.
pub(crate) fn plan(
    steps: &[TableStep],
    device: DeviceShape,
    tuning: &Tuning,
) -> Result<Plan, Error> {
    let count: u64 = steps.iter().map(|step| u64::from(step.nnz)).sum();
    let keys: u64 = steps.iter().map(|step| u64::from(step.geometry.rows) + 1).sum();
    let few = "spread the tables over several steps";
    limit("rows of all tables of a step, plus one a table", keys, u32::MAX.into(), few)?;
    limit("entries of all gradients of a step", count, i32::MAX as u64, few)?;

    let mut words = 2 * count;
    let sorted = steps.iter().filter(|step| step.sorted).map(|step| step.nnz).sum();
    // Sorted tables come first; the others are not moved.
    let (mut next_sorted, mut next_other, mut key_base) = (0, sorted, 0);
    let mut tables = Vec::with_capacity(steps.len());
    for step in steps {
        let next = if step.sorted { &mut next_sorted } else { &mut next_other };
        let first = *next;
        *next += step.nnz;
        let sentinel = key_base + step.geometry.rows;
        let sources = words as u32;
        words += if step.weighted { 2 * u64::from(step.nnz) } else { 0 };
        tables.push(TablePlan {
            first,
            end: first + step.nnz,
            key_base,
            sentinel,
            sources,
            entries: Grid::over(step.nnz.div_ceil(tuning.workgroup), device),
            levels: levels(*step, &mut words, device, tuning),
            update: Grid::over(update_workgroups(step.nnz, tuning), device),
        });
        key_base = sentinel + 1;
    }
    let shrink = "set smaller gradients, or request a larger max_storage_buffer_binding_size";
    limit("bytes of sorted pairs and chunk sums", 4 * words, device.max_binding, shrink)?;
    let small = is_small(steps, tuning);
    let sort = sort(if small { 0 } else { sorted }, keys, device, tuning);
    let histogram = 4 * sort.histogram_words;
    limit("bytes of the sort's histogram", histogram, device.max_binding, shrink)?;
    Ok(Plan { tables, sort, small, pairs: count as u32, sorted_words: words })
}

/// A CPU adapter's serial sort is faster than a bitonic one even so: it has no small form.
fn is_small(steps: &[TableStep], tuning: &Tuning) -> bool {
    let fits = |step: &TableStep| step.sorted && step.plain && step.nnz <= SMALL;
    tuning.sort == SortForm::Wide && matches!(steps, [step] if fits(step))
}

/// One a tile, in as many stretches as the tiles are dealt out to.
fn update_workgroups(nnz: u32, tuning: &Tuning) -> u32 {
    nnz.div_ceil(tuning.update_tile).next_multiple_of(tuning.update_spread)
}

fn limit(what: &str, found: u64, limit: u64, remedy: &'static str) -> Result<(), Error> {
    if found <= limit {
        return Ok(());
    }
    Err(Error::TooLarge { what: what.into(), found, limit, remedy })
}

/// The levels of chunk sums that runs of up to `nnz` entries can need; takes their `words`.
fn levels(
    step: TableStep,
    words: &mut u64,
    device: DeviceShape,
    tuning: &Tuning,
) -> Vec<LevelPlan> {
    let lanes = tuning.lanes(columns(step.geometry.dim));
    let mut levels = Vec::new();
    let mut stride = CHUNK;
    while stride < step.nnz && !step.once {
        let blocks = step.nnz.div_ceil(stride);
        let groups = tuning.workgroup / lanes;
        let grid = Grid::over(blocks.div_ceil(groups), device);
        // Truncation is harmless: a plan of so many words is refused before it is used.
        levels.push(LevelPlan { stride, blocks, sums: *words as u32, grid });
        *words += u64::from(blocks) * u64::from(step.geometry.dim);
        stride = stride.saturating_mul(CHUNK);
    }
    levels
}

/// Lanes of f32 in a row: four wide where the row divides by four.
pub(crate) fn columns(dim: u32) -> u32 {
    if dim.is_multiple_of(4) { dim / 4 } else { dim }
}

fn sort(count: u32, keys: u64, device: DeviceShape, tuning: &Tuning) -> SortPlan {
    let (tile_size, tiles_a_workgroup) = match tuning.sort {
        SortForm::Wide => (WIDE_TILE, 1),
        SortForm::Serial => {
            let size = count.div_ceil(SERIAL_TILES);
            (size.clamp(*SERIAL_TILE.start(), *SERIAL_TILE.end()), tuning.workgroup)
        }
    };
    let tiles = count.div_ceil(tile_size);
    let passes = if count > 1 { passes(keys, device, tuning) } else { Vec::new() };
    let radix = passes.iter().map(|pass| pass.radix).max().unwrap_or(0);
    SortPlan {
        count,
        tiles,
        tile_size,
        passes,
        histogram_words: u64::from(radix) * (u64::from(tiles) + 1),
        tile_grid: Grid::over(tiles.div_ceil(tiles_a_workgroup), device),
    }
}

/// Splits the bits that `keys` keys need into digits of nearly equal width, lowest first.
fn passes(keys: u64, device: DeviceShape, tuning: &Tuning) -> Vec<Pass> {
    let bits = u64::BITS - (keys - 1).leading_zeros();
    let count = bits.div_ceil(tuning.digit_bits).max(1);
    let mut shift = 0;
    let mut passes = Vec::with_capacity(count as usize);
    for pass in 0..count {
        let digit_bits = (bits - shift).div_ceil(count - pass);
        let radix = 1 << digit_bits;
        let scan = match tuning.sort {
            SortForm::Wide => Grid::over(radix, device),
            SortForm::Serial => Grid::over(radix.div_ceil(tuning.workgroup), device),
        };
        passes.push(Pass { shift, radix, scan });
        shift += digit_bits;
    }
    passes
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
