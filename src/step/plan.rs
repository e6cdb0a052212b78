//! What one step will do: key ranges, sort passes, scratch sizes, dispatch grids. Pure.

use super::shaders::{WIDE_WINDOWS, Width};
use crate::param::Geometry;
use crate::{Error, Form, Tuning};

/// Fan-in of the tree that sums a row's entries: entries are added one after another in chunks
/// of `CHUNK` counted from the row's first entry, then the chunk sums in chunks of `CHUNK`,
/// and so on. Part of the numerics contract: it is the same on every adapter.
pub const CHUNK: u32 = 64;

/// Most entries of a run whose chunks the serial update sums itself: two levels of the tree,
/// and still a loop that ends soon.
const INLINE: u32 = 1024;
/// Sorted positions a list of heads at least, and lists of a step to aim for: enough for every
/// thread, and long enough to fill SIMD groups.
const SMALLEST_BLOCK: u32 = 16;
const BLOCKS: u32 = 16;
/// Pairs of a tile of the wide sort.
const WIDE_TILE: u32 = 2048;
/// Bounds of the serial sort: no loop of more than 32,768 turns (some drivers stop at 65,535).
const SERIAL_TILE: u32 = 32_768;
/// Tiles of the serial sort: at least enough for a SIMD group, at most so many; between them as
/// many as have FULL_TILE pairs, so that counts of digits do not outweigh pairs.
const FEWEST_TILES: u32 = 8;
const MOST_TILES: u32 = 64;
const FULL_TILE: u32 = 2048;

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
    /// Whether shaders may use 64-bit integers.
    pub wide_words: bool,
}

impl DeviceShape {
    pub fn of(limits: &wgpu::Limits, features: wgpu::Features) -> Self {
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
            wide_words: features.contains(wgpu::Features::SHADER_INT64),
        }
    }

    /// How rows of `dim` f32 are handled.
    pub fn width(&self, dim: u32, tuning: &Tuning) -> Width {
        Width::of(dim, tuning.wide_words && self.wide_words)
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
    /// Whether the caller promises that no row is named twice.
    pub promised: bool,
    /// Whether only the first entry of a row counts.
    pub once: bool,
    /// Whether its entries have weights.
    pub weighted: bool,
    /// Whether its pairs come from one gradient and nothing looks at them before the sort.
    pub direct: bool,
}

/// What a step will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// In the order of the tables asked for.
    pub tables: Vec<TablePlan>,
    pub sort: SortPlan,
    /// Lists of run heads, where the form of the update takes them.
    pub heads: Option<HeadsPlan>,
    /// Whether one dispatch takes the place of ingest, sort and heads.
    pub small: bool,
    /// Pairs of all tables, sorted or not.
    pub pairs: u32,
    /// Words of the buffer of sorted pairs, what a small step needs to sort them, lists of heads,
    /// sources and partial sums.
    pub sorted_words: u64,
}

/// Lists of run heads, one a block of sorted positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeadsPlan {
    /// Positions a block.
    pub block: u32,
    /// First word of the lists.
    pub lists: u32,
    pub grid: Grid,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TablePlan {
    /// Whether its entries are sorted; else no row is named twice.
    pub sorted: bool,
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
    /// Bits of the keys.
    pub key_bits: u32,
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

    let small = is_small(steps, tuning);
    let mut words = 2 * count;
    if small && tuning.form == Form::Serial {
        // Where the pairs are while they are sorted.
        words *= 2;
    }
    let sorted = steps.iter().filter(|step| is_sorted(step, tuning)).map(|step| step.nnz).sum();
    let heads = heads(sorted, &mut words, device, tuning);
    // Sorted tables come first; the others are not moved.
    let (mut next_sorted, mut next_other, mut key_base) = (0, sorted, 0);
    let mut tables = Vec::with_capacity(steps.len());
    for step in steps {
        let is_sorted = is_sorted(step, tuning);
        let next = if is_sorted { &mut next_sorted } else { &mut next_other };
        let first = *next;
        *next += step.nnz;
        let sentinel = key_base + step.geometry.rows;
        let sources = words as u32;
        words += if step.weighted { 2 * u64::from(step.nnz) } else { 0 };
        tables.push(TablePlan {
            sorted: is_sorted,
            first,
            end: first + step.nnz,
            key_base,
            sentinel,
            sources,
            entries: Grid::over(step.nnz.div_ceil(tuning.workgroup), device),
            levels: levels(*step, &mut words, device, tuning),
            update: Grid::over(update_workgroups(first, step.nnz, heads, tuning), device),
        });
        key_base = sentinel + 1;
    }
    let shrink = "set smaller gradients, or request a larger max_storage_buffer_binding_size";
    limit("bytes of sorted pairs and chunk sums", 4 * words, device.max_binding, shrink)?;
    let sort = sort(if small { 0 } else { sorted }, keys, device, tuning);
    let histogram = 4 * sort.histogram_words;
    limit("bytes of the sort's histogram", histogram, device.max_binding, shrink)?;
    Ok(Plan { tables, sort, heads, small, pairs: count as u32, sorted_words: words })
}

fn is_small(steps: &[TableStep], tuning: &Tuning) -> bool {
    let fits =
        |step: &TableStep| is_sorted(step, tuning) && step.direct && step.nnz <= tuning.small;
    matches!(steps, [step] if fits(step))
}

/// A promise of uniqueness saves GPUs the sort. CPU adapters sort all the same: rows in order are
/// faster to come by, and the rows of a window lie together.
fn is_sorted(step: &TableStep, tuning: &Tuning) -> bool {
    !step.promised || tuning.form == Form::Serial
}

/// The lists of heads over `sorted` positions; takes their `words`.
fn heads(sorted: u32, words: &mut u64, device: DeviceShape, tuning: &Tuning) -> Option<HeadsPlan> {
    if tuning.form == Form::Wide {
        return None;
    }
    let block = (sorted / BLOCKS).next_power_of_two().max(SMALLEST_BLOCK).min(tuning.update_tile);
    let blocks = sorted.div_ceil(block);
    // Truncation is harmless: a plan of so many words is refused before it is used.
    let lists = *words as u32;
    *words += u64::from(blocks) * u64::from(list_words(block));
    Some(HeadsPlan { block, lists, grid: Grid::over(blocks.div_ceil(tuning.workgroup), device) })
}

/// Words of a list of heads: those of `shaders/shared/heads.wgsl`.
fn list_words(block: u32) -> u32 {
    1 + block + block / CHUNK + 1
}

/// One a tile, or one a block, in as many stretches as the blocks are dealt out to. Blocks are
/// counted from position 0, so a table may have part of its first.
fn update_workgroups(first: u32, nnz: u32, heads: Option<HeadsPlan>, tuning: &Tuning) -> u32 {
    match heads {
        None => nnz.div_ceil(tuning.update_tile),
        Some(HeadsPlan { block, .. }) => {
            let blocks = (first + nnz).div_ceil(block) - first / block;
            blocks.next_multiple_of(tuning.spread)
        }
    }
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
    let dim = step.geometry.dim;
    let lanes = tuning.lanes(device.width(dim, tuning).columns(dim));
    let mut levels = Vec::new();
    if tuning.form == Form::Serial && step.nnz <= INLINE {
        return levels;
    }
    let mut stride = CHUNK;
    while stride < step.nnz && !step.once {
        let blocks = step.nnz.div_ceil(stride);
        let groups = tuning.workgroup / lanes;
        let workgroups = blocks.div_ceil(groups).next_multiple_of(tuning.spread);
        let grid = Grid::over(workgroups, device);
        // Truncation is harmless: a plan of so many words is refused before it is used.
        levels.push(LevelPlan { stride, blocks, sums: *words as u32, grid });
        *words += u64::from(blocks) * u64::from(step.geometry.dim);
        stride = stride.saturating_mul(CHUNK);
    }
    levels
}

fn sort(count: u32, keys: u64, device: DeviceShape, tuning: &Tuning) -> SortPlan {
    let (tile_size, tiles_a_workgroup) = match tuning.form {
        Form::Wide => (WIDE_TILE, 1),
        Form::Serial => {
            let tiles = (count / FULL_TILE).clamp(FEWEST_TILES, MOST_TILES);
            (count.div_ceil(tiles).clamp(1, SERIAL_TILE), tuning.workgroup)
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
        key_bits: key_bits(keys),
        histogram_words: u64::from(radix) * (u64::from(tiles) + 1),
        tile_grid: Grid::over(tiles.div_ceil(tiles_a_workgroup), device),
    }
}

/// Bits that `keys` different keys need; at least 1.
fn key_bits(keys: u64) -> u32 {
    (u64::BITS - keys.saturating_sub(1).leading_zeros()).max(1)
}

/// Splits the bits that `keys` keys need into digits of nearly equal width, lowest first.
fn passes(keys: u64, device: DeviceShape, tuning: &Tuning) -> Vec<Pass> {
    let bits = key_bits(keys);
    let count = bits.div_ceil(tuning.digit_bits);
    let mut shift = 0;
    let mut passes = Vec::with_capacity(count as usize);
    for pass in 0..count {
        let digit_bits = (bits - shift).div_ceil(count - pass);
        let radix = 1 << digit_bits;
        let scan = match tuning.form {
            Form::Wide => Grid::over(radix, device),
            Form::Serial => Grid::over(radix.div_ceil(tuning.workgroup), device),
        };
        passes.push(Pass { shift, radix, scan });
        shift += digit_bits;
    }
    passes
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
