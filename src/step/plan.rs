//! What one step will do: key ranges, sort passes, scratch sizes, dispatch grids. Pure.

mod sort;

use self::sort::SortPlan;
use super::shape::{DeviceShape, Grid, Launch};
use super::turns::{self, Runs};
use crate::param::Geometry;
use crate::{Error, Form, Tuning};

/// Fan-in of the tree that sums a row's entries: entries are added one after another in chunks
/// of `CHUNK` counted from the row's first entry, then the chunk sums in chunks of `CHUNK`,
/// and so on. Part of the numerics contract: it is the same on every adapter.
pub const CHUNK: u32 = 64;

/// Most entries of all gradients of a step, such that four levels of sums do for a run of them.
const MOST_ENTRIES: u32 = 1 << 30;
/// Most entries of a run whose chunks the serial update sums itself: two levels of the tree,
/// and still a loop that ends soon.
const INLINE: u32 = 1024;
/// Sorted positions a list of heads at least, and lists of a step to aim for: enough for every
/// thread, and long enough to fill SIMD groups.
const SMALLEST_BLOCK: u32 = 16;
const BLOCKS: u32 = 16;

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
    pub launch: Launch,
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
    /// Columns that a workgroup of update takes, and its dispatch for one window.
    pub slice: u32,
    pub update: Launch,
}

/// One level of chunk sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LevelPlan {
    /// Positions a block: `CHUNK^level`.
    pub stride: u32,
    pub blocks: u32,
    /// First word of the sums `[blocks, dim]`.
    pub sums: u32,
    /// Columns that a workgroup takes.
    pub slice: u32,
    pub launch: Launch,
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
    limit("entries of all gradients of a step", count, MOST_ENTRIES.into(), few)?;

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
        let levels = levels(*step, &mut words, device, tuning)?;
        let (slice, update) = update(*step, first, levels.len(), heads, device, tuning)?;
        tables.push(TablePlan {
            sorted: is_sorted,
            first,
            end: first + step.nnz,
            key_base,
            sentinel,
            sources,
            entries: Grid::over(step.nnz.div_ceil(tuning.workgroup), device),
            levels,
            slice,
            update,
        });
        key_base = sentinel + 1;
    }
    let shrink = "set smaller gradients, or request a larger max_storage_buffer_binding_size";
    limit("bytes of sorted pairs and chunk sums", 4 * words, device.max_binding, shrink)?;
    let sort = sort::sort(if small { 0 } else { sorted }, keys, device, tuning);
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
    let grid = Grid::over(blocks.div_ceil(tuning.workgroup), device);
    Some(HeadsPlan { block, lists, launch: Launch { grid, turns: turns::heads(block) } })
}

/// Words of a list of heads: those of `shaders/shared/heads.wgsl`.
fn list_words(block: u32) -> u32 {
    1 + block + block / CHUNK + 1
}

/// The columns that a workgroup of update takes, and its dispatch for one window.
fn update(
    step: TableStep,
    first: u32,
    levels: usize,
    heads: Option<HeadsPlan>,
    device: DeviceShape,
    tuning: &Tuning,
) -> Result<(u32, Launch), Error> {
    let columns = device.width(step.geometry.dim, tuning).columns(step.geometry.dim);
    let runs = Runs { nnz: step.nnz, levels: levels as u32, once: step.once };
    let turns = match heads {
        Some(HeadsPlan { block, .. }) => turns::update_serial(block, runs),
        None => turns::update_wide(tuning.update_tile, tuning.lanes(columns), runs),
    };
    let slice = turns.slice(columns);
    let workgroups = update_workgroups(first, step.nnz, heads, tuning);
    let grid = Grid::of_slices(workgroups, columns.div_ceil(slice), device)?;
    Ok((slice, Launch { grid, turns: turns.of(slice) }))
}

/// One per tile, or one per block, in as many stretches as the blocks are dealt out to. Blocks are
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
) -> Result<Vec<LevelPlan>, Error> {
    let dim = step.geometry.dim;
    let width = device.width(dim, tuning);
    let columns = width.columns(dim);
    let lanes = tuning.lanes(columns);
    let mut levels = Vec::new();
    if tuning.form == Form::Serial && step.nnz <= INLINE {
        return Ok(levels);
    }
    let mut stride = CHUNK;
    while stride < step.nnz && !step.once {
        let blocks = step.nnz.div_ceil(stride);
        let groups = tuning.workgroup / lanes;
        let workgroups = blocks.div_ceil(groups).next_multiple_of(tuning.spread);
        let turns = turns::partial(stride == CHUNK, width, lanes, tuning.sums_at_once);
        let slice = turns.slice(columns);
        let grid = Grid::of_slices(workgroups, columns.div_ceil(slice), device)?;
        let launch = Launch { grid, turns: turns.of(slice) };
        // Truncation is harmless: a plan of so many words is refused before it is used.
        levels.push(LevelPlan { stride, blocks, sums: *words as u32, slice, launch });
        *words += u64::from(blocks) * u64::from(step.geometry.dim);
        stride = stride.saturating_mul(CHUNK);
    }
    Ok(levels)
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
