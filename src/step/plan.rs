//! What one step will do: key ranges, sort passes, scratch sizes, dispatch grids. Pure.

pub(crate) mod norm;
mod small;
pub(crate) mod sort;

pub(crate) use self::small::Small;
pub(crate) use self::sort::SortWay;

use self::norm::SquaresPlan;
use self::small::small;
use self::sort::SortPlan;
use super::access::{RowAccess, Values, rows_per_value_window};
use super::demand::TableDemand;
use super::layout::{HeadLists, Keys};
use super::shape::{DeviceShape, Grid, Launch};
use super::turns::{self, Runs, Walk};
use crate::{CHUNK, Error, Form, Tuning};

/// Most entries of all gradients of a step, such that four levels of sums do for a run of them.
const MOST_ENTRIES: u32 = 1 << 30;
/// Most entries of a run whose chunks update sums itself, of which the tree has two levels: the serial form as long as it
/// is a loop that ends soon; the parallel one by a whole workgroup.
const SERIAL_INLINE: u32 = 1024;
const PARALLEL_INLINE: u32 = CHUNK * CHUNK;
/// Sorted positions per list of heads at least, and lists of a step to aim for: enough for every
/// thread, and long enough to fill SIMD groups.
const SMALLEST_BLOCK: u32 = 16;
const BLOCKS: u32 = 16;

/// What a step will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// In the order of the tables asked for.
    pub tables: Vec<TablePlan>,
    pub sort: SortPlan,
    /// Lists of run heads, where the form of the update takes them.
    pub heads: Option<HeadsPlan>,
    /// How a table's entries are sorted by the workgroup that takes them, in place of ingest, sort and heads.
    pub small: Option<Small>,
    /// Pairs of all tables, sorted or not.
    pub pairs: u32,
    /// Words of the buffer of sorted pairs, what a small step needs to sort them, lists of heads,
    /// terms, partial sums and block sums.
    pub sorted_words: u64,
}

/// Lists of run heads, one per block of sorted positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeadsPlan {
    pub lists: HeadLists,
    pub launch: Launch,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TablePlan {
    /// Whether its entries are sorted; else no row is named twice.
    pub sorted: bool,
    /// Its positions among the pairs, before and after the sort, and its keys: those of the table whose pairs it
    /// has, where it makes none.
    pub keys: Keys,
    /// How its rows are read.
    pub access: RowAccess,
    /// Value rows that one binding holds.
    pub rows_per_value_window: u32,
    /// First word of its terms, where it has weights; as with its keys.
    pub terms: u32,
    /// First word of the numbers that the columns of its rows share, where they do; behind the numbers that its rows draw
    /// random bits by, where these are given.
    pub numbers: u32,
    /// One invocation per position.
    pub entries: Grid,
    pub levels: Vec<LevelPlan>,
    /// Columns that a workgroup of update takes, and its dispatch for one window.
    pub slice: u32,
    pub update: Launch,
    /// Where its gradient is measured.
    pub squares: Option<SquaresPlan>,
}

/// One level of chunk sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LevelPlan {
    /// Positions a block: `CHUNK^level`.
    pub stride: u32,
    pub blocks: u32,
    /// First word of the sums `[blocks, dim]`.
    pub sums: u32,
    /// Columns that an invocation sums at once, and that a workgroup takes.
    pub at_once: u32,
    pub slice: u32,
    pub launch: Launch,
}

impl TablePlan {
    /// Where in the scratch the numbers are that its rows draw by, in bytes.
    pub fn numbers_of_rows(&self) -> u64 {
        4 * u64::from(self.numbers - (self.keys.sentinel - self.keys.base))
    }
}

/// Plans a step.
///
/// # Errors
/// [`Error::TooLarge`] where keys, pairs or scratch exceed what the device can address.
pub(crate) fn plan(
    steps: &[TableDemand],
    device: DeviceShape,
    tuning: &Tuning,
) -> Result<Plan, Error> {
    // Those that make pairs of their own.
    let makers = || steps.iter().filter(|step| step.shares.is_none());
    let count: u64 = makers().map(|step| u64::from(step.nnz)).sum();
    let keys: u64 = makers().map(|step| u64::from(step.geometry.rows) + 1).sum();
    let few = "spread the tables over several steps";
    limit("rows of all tables of a step, plus one a table", keys, u32::MAX.into(), few)?;
    limit("entries of all gradients of a step", count, MOST_ENTRIES.into(), few)?;

    let small = small(steps, keys, device, tuning);
    let mut words = 2 * count;
    if small == Some(Small::Serial) {
        // Where the pairs are while they are sorted.
        words *= 2;
    }
    let sorted = makers().filter(|step| is_sorted(step, tuning)).map(|step| step.nnz).sum();
    let measured = steps.iter().any(|step| step.squares);
    let most = if measured { norm::MOST_POSITIONS } else { u32::MAX };
    let each = norm::positions_each(steps, tuning)?;
    let heads = heads((sorted, most), &mut words, device, tuning);
    // Sorted tables come first; the others are not moved.
    let (mut next_sorted, mut next_other, mut key_base) = (0, sorted, 0);
    let mut tables: Vec<TablePlan> = Vec::with_capacity(steps.len());
    for step in steps {
        let is_sorted = is_sorted(step, tuning);
        let (keys, terms) = match step.shares.map(|maker| &tables[maker as usize]) {
            Some(maker) => (maker.keys, maker.terms),
            None => {
                let next = if is_sorted { &mut next_sorted } else { &mut next_other };
                let (first, base, terms) = (*next, key_base, words as u32);
                *next += step.nnz;
                let sentinel = base + step.geometry.rows;
                key_base = sentinel + 1;
                words += if step.weighted { 2 * u64::from(step.nnz) } else { 0 };
                (Keys { first, end: first + step.nnz, base, sentinel }, terms)
            }
        };
        let first = keys.first;
        // Numbers that its rows draw by lie before those that columns share.
        words += if step.formats.is_numbered { u64::from(step.geometry.rows) } else { 0 };
        let numbers = words as u32;
        words += u64::from(step.rule.row_numbers()) * u64::from(step.nnz);
        let levels = levels(*step, &mut words, device, tuning)?;
        let (slice, update) = update(*step, first, levels.len(), heads, device, tuning)?;
        let runs = (first, &*levels, heads);
        let squares = norm::squares(*step, (&mut words, each), runs, device, tuning)?;
        tables.push(TablePlan {
            sorted: is_sorted,
            keys,
            access: RowAccess::of(step, device, tuning),
            rows_per_value_window: rows_per_value_window(step, device),
            terms,
            numbers,
            entries: Grid::over(step.nnz.div_ceil(tuning.workgroup), device),
            levels,
            slice,
            update,
            squares,
        });
    }
    let shrink = "set smaller gradients, or request a larger max_storage_buffer_binding_size";
    limit("bytes of sorted pairs and chunk sums", 4 * words, device.max_binding, shrink)?;
    let sort = sort::sort(if small.is_some() { 0 } else { sorted }, keys, device, tuning);
    let histogram = 4 * sort.histogram_words;
    limit("bytes of the sort's histogram", histogram, device.max_binding, shrink)?;
    Ok(Plan { tables, sort, heads, small, pairs: count as u32, sorted_words: words })
}

/// A promise of uniqueness saves GPUs the sort. CPU adapters sort all the same: rows in order are
/// faster to come by, and the rows of a window lie together.
fn is_sorted(step: &TableDemand, tuning: &Tuning) -> bool {
    !step.promised || tuning.form == Form::Serial
}

/// The lists of heads over `sorted` positions, at most `most` each; takes their `words`.
fn heads(
    (sorted, most): (u32, u32),
    words: &mut u64,
    device: DeviceShape,
    tuning: &Tuning,
) -> Option<HeadsPlan> {
    if tuning.form == Form::Parallel {
        return None;
    }
    let block = (sorted / BLOCKS).next_power_of_two().max(SMALLEST_BLOCK);
    let block = block.min(tuning.update_tile).min(most);
    let blocks = sorted.div_ceil(block);
    // Truncation is harmless: a plan of so many words is refused before it is used.
    let lists = *words as u32;
    *words += u64::from(blocks) * u64::from(list_words(block));
    let grid = Grid::over(blocks.div_ceil(tuning.workgroup), device);
    let lists = HeadLists { count: sorted, block, first: lists, pad0: 0 };
    Some(HeadsPlan { lists, launch: Launch { grid, turns: turns::heads(block) } })
}

/// Words of a list of heads: those of `shaders/shared/heads.wgsl`.
fn list_words(block: u32) -> u32 {
    1 + block + block / CHUNK + 1
}

/// The columns that a workgroup of update takes, and its dispatch for one window.
fn update(
    step: TableDemand,
    first: u32,
    levels: usize,
    heads: Option<HeadsPlan>,
    device: DeviceShape,
    tuning: &Tuning,
) -> Result<(u32, Launch), Error> {
    let columns = device.width(step.geometry.dim, tuning).columns(step.geometry.dim);
    let (levels, counted) = (levels as u32, step.rule.counts_entries());
    let runs = Runs { nnz: step.nnz, levels, first_wins: step.first_wins, counted };
    let turns = match heads {
        Some(heads) => turns::update_serial(heads.lists.block, runs),
        None => turns::update_parallel(tuning.update_tile, tuning.lanes(columns), runs),
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
        Some(HeadsPlan { lists: HeadLists { block, .. }, .. }) => {
            let blocks = (first + nnz).div_ceil(block) - first / block;
            blocks.next_multiple_of(tuning.interleave)
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
    step: TableDemand,
    words: &mut u64,
    device: DeviceShape,
    tuning: &Tuning,
) -> Result<Vec<LevelPlan>, Error> {
    let dim = step.geometry.dim;
    let width = device.width(dim, tuning);
    let columns = width.columns(dim);
    let lanes = tuning.lanes(columns);
    let mut levels = Vec::new();
    let inlined = match tuning.form {
        Form::Serial => SERIAL_INLINE,
        // What measures a gradient leaves a run to one group; and each group has room for one sum.
        Form::Parallel
            if step.squares || tuning.update_tile > CHUNK * (tuning.workgroup / lanes) =>
        {
            0
        }
        Form::Parallel => PARALLEL_INLINE,
    };
    if step.nnz <= inlined {
        return Ok(levels);
    }
    let values = RowAccess::of(&step, device, tuning).values;
    let walk = match (tuning.form, values) {
        (Form::Serial, Values::Windows) => Walk::OfWindows,
        (Form::Serial, Values::One) | (Form::Parallel, _) => Walk::Once,
    };
    let mut stride = CHUNK;
    while stride < step.nnz && !step.first_wins {
        let blocks = step.nnz.div_ceil(stride);
        let groups = tuning.workgroup / lanes;
        let workgroups = blocks.div_ceil(groups).next_multiple_of(tuning.interleave);
        let at_once = if stride == CHUNK { tuning.at_once(columns) } else { 1 };
        let turns = turns::partial((stride == CHUNK).then_some(walk), width, lanes, at_once);
        let slice = turns.slice(columns);
        let grid = Grid::of_slices(workgroups, columns.div_ceil(slice), device)?;
        let launch = Launch { grid, turns: turns.of(slice) };
        // Truncation is harmless: a plan of so many words is refused before it is used.
        let sums = *words as u32;
        levels.push(LevelPlan { stride, blocks, sums, at_once, slice, launch });
        *words += u64::from(blocks) * u64::from(step.geometry.dim);
        stride = stride.saturating_mul(CHUNK);
    }
    Ok(levels)
}

#[cfg(test)]
#[path = "plan_tests.rs"]
pub(crate) mod tests;
