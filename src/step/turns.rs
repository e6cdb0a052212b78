//! How many turns the loops of one invocation take at worst, stage by stage; see [`super::budget`]. Pure.

use super::budget::{INSPECTED_AT_ONCE, TURNS};
use super::plan::norm::BLOCK;
use super::stages::VALUE_WINDOWS;
use super::width::Width;
use crate::CHUNK;

/// Invocations that take their turns together; no tuning has smaller workgroups.
const GROUP: u32 = 8;

/// Turns of loops in branches that no lane of a group takes: such a driver runs through both sides,
/// and through a loop at least once.
const MASKED: u32 = 8;

/// Turns a column of `update_serial` around the entries of a run of several: of two loops over columns; of one over chunks, which
/// ends behind the first, when what lies in it is run through, a chunk's length (2) and entries (1); and, run through too, of
/// levels, with a length and sums in it (3).
const AROUND: u32 = 2 + 2 + (2 + 1) + 3;

/// Turns that grow with the columns of a slice: `fixed`, and `each` for every `unit` columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turns {
    pub fixed: u32,
    pub each: u32,
    /// Columns that an invocation and its neighbours take in a turn.
    pub unit: u32,
}

impl Turns {
    /// Turns for a slice of `columns`.
    pub fn of(self, columns: u32) -> u32 {
        self.each.saturating_mul(columns.div_ceil(self.unit)).saturating_add(self.fixed)
    }

    /// Columns of a slice, such that equal slices of a row of `columns` stay within [`TURNS`].
    pub fn slice(self, columns: u32) -> u32 {
        let most = (TURNS.saturating_sub(self.fixed) / self.each).max(1) * self.unit;
        let slices = columns.div_ceil(most);
        columns.div_ceil(slices).next_multiple_of(self.unit).min(columns)
    }
}

/// What a table asks of an update.
#[derive(Clone, Copy, Debug)]
pub struct Runs {
    pub nnz: u32,
    /// Levels of chunk sums that are made before the update.
    pub levels: u32,
    /// Whether only the first entry of a run counts.
    pub first_wins: bool,
    /// Whether the length of runs is asked for.
    pub counted: bool,
}

impl Runs {
    /// Turns a column after the first chunk of the longest run: of each level its length and its
    /// sums; or, where no level is made, of each further chunk its length and its entries.
    fn tail(self) -> u32 {
        match (self.first_wins, self.levels) {
            (true, _) => 0,
            (false, 0) => (2 * CHUNK + 1) * (self.nnz / CHUNK) + 1,
            (false, levels) => (2 * CHUNK + 1) * levels + 1,
        }
    }

    /// Turns in which the length of the long runs of `positions` is found, whatever their columns.
    fn lengths(self, positions: u32) -> u32 {
        if self.counted && !self.first_wins {
            (30 + 1) * (positions / CHUNK + 1) + MASKED
        } else {
            0
        }
    }

    /// Turns of the first chunk of a run.
    fn first_chunk(self) -> u32 {
        if self.first_wins { 1 } else { CHUNK }
    }
}

/// `update_serial` over a block of sorted positions.
///
/// Its two lists of heads, of runs of one entry and of longer ones, are taken eight heads and more at a time, whatever the
/// driver's groups. A full group of longer runs waits for its longest, and has at least two positions for each of the others: 14,
/// which are more than the turns a column around entries. The last group of each may hold one run alone; and in a block that
/// tables share, a table's first group of each kind too.
pub fn update_serial(block: u32, runs: Runs) -> Turns {
    let positions = block.min(runs.nnz);
    // Other tables' heads in the block are looked at, and left.
    let groups = block.div_ceil(GROUP) + 2;
    let full = if runs.first_wins { (AROUND + 1) * groups } else { positions };
    let last = 3 + 3 * AROUND + runs.first_chunk() + runs.tail() + MASKED;
    let fixed = (3 + MASKED) * groups + 2 + runs.lengths(block);
    Turns { fixed, each: full + last, unit: 1 }
}

/// What a group of a parallel stage takes at worst of a tile of sorted positions, `lanes` invocations a row: its heads
/// one after another. Their entries are those of the tile, but for the last run, which may go on behind it.
fn tile_of_runs(tile: u32, lanes: u32, runs: Runs) -> Turns {
    let positions = tile.min(runs.nnz);
    let entries = if runs.first_wins { positions } else { positions + CHUNK };
    // Of a run of chunks that ends in the tile, each level's few items are counted and summed.
    let chunks_inside = positions / CHUNK * (2 * (positions / CHUNK) + 4);
    Turns {
        fixed: (4 + MASKED) * positions + entries + 4 + runs.lengths(positions),
        each: positions + entries + chunks_inside + runs.tail() + MASKED,
        unit: lanes,
    }
}

/// `update_parallel` over a tile of sorted positions, `lanes` invocations a row. Its loop over columns is outside of that
/// over heads. Runs of one entry take no more turns in a loop of their own, but for its last and the loop around.
pub fn update_parallel(tile: u32, lanes: u32, runs: Runs) -> Turns {
    let Turns { fixed, each, unit } = tile_of_runs(tile, lanes, runs);
    let of_singles = 1 + 2 * (4 + MASKED);
    Turns { fixed: tile.min(runs.nnz) + 4 + of_singles, each: 1 + fixed + each, unit }
}

/// Columns of a block, an f32 at a time; turns of the loops around them, beside the loop over blocks.
fn block_of(width: Width) -> (u32, u32) {
    let columns = BLOCK / width.lane_width();
    match width {
        Width::Scalar => (columns, 1 + 4 + 1 + columns + 4),
        Width::Vec2 | Width::Vec2U64 => (columns, 1 + 2 + 1 + columns + 2),
        Width::Vec4 | Width::Vec4U64 | Width::Vec8 => (columns, 1 + columns + 1),
    }
}

/// `squares_serial` over a block of sorted positions; its unit is a block of columns. As [`update_serial`],
/// whose turns for its two loops over columns are more than those over blocks.
pub fn squares_serial(positions: u32, runs: Runs, width: Width) -> Turns {
    let (columns, around) = block_of(width);
    let update = update_serial(positions, runs);
    let groups = positions.div_ceil(GROUP) + 2;
    Turns { fixed: update.fixed, each: columns * update.each + around * groups, unit: 1 }
}

/// `squares_parallel` over a tile of sorted positions, `lanes` invocations a row; its unit is as that of
/// [`squares_serial`].
pub fn squares_parallel(tile: u32, lanes: u32, runs: Runs, width: Width) -> Turns {
    let (columns, around) = block_of(width);
    let (update, positions) = (tile_of_runs(tile, lanes, runs), tile.min(runs.nnz));
    // A column's loop over entries ends behind the last, and levels are run through.
    Turns { each: columns * (update.each + 2 * positions) + around * positions, ..update }
}

/// Turns of `norm_sum` beside those for positions: its digits are cleared, carried and carried again.
const TOTAL: u32 = 3 * (20 + 1) + 1;

/// `norm_sum` of positions of `blocks` each, two in a turn.
pub fn norm_sum(positions: u32, blocks: u32) -> u32 {
    positions * (1 + blocks.div_ceil(2) + 1) + TOTAL
}

/// Most blocks that an invocation adds up before it carries: each is less than 2^16 in a digit of 32 bits.
pub const MOST_ADDED: u32 = u32::MAX / 0xffff;

/// Positions that an invocation of it can take, of `blocks` each.
pub fn norm_sum_positions(blocks: u32) -> u32 {
    ((TURNS - TOTAL) / (1 + blocks.div_ceil(2) + 1)).min(MOST_ADDED / blocks)
}

/// `norm_factor`, which carries digits.
pub fn norm_factor() -> u32 {
    20 + 1
}

/// `partial` of a level, `lanes` invocations a block, `at_once` columns each.
pub fn partial(entries: Option<Walk>, width: Width, lanes: u32, at_once: u32) -> Turns {
    // An entry's turn, and its columns.
    let entry = 1 + (at_once + 1);
    let summed = match entries {
        Some(Walk::Once) => (at_once + 1) + CHUNK * entry + 2 + 2,
        // Each invocation of a group waits for the others', so at worst their entries are taken one after another; and of each
        // chunk, an entry in a round, in each of whose windows one is looked at and left.
        Some(Walk::OfWindows) => {
            let rounds = CHUNK * (1 + VALUE_WINDOWS as u32 * (entry + 1));
            (at_once + 1) + GROUP * CHUNK * entry + rounds + 2
        }
        None => at_once * (1 + CHUNK) + 1,
    };
    // Run through once more when the last column has been stored.
    let stored = at_once * (1 + width.lane_width() + 1) + 2;
    // The search for the run's start and its length come first.
    Turns { fixed: 33 + CHUNK + 1, each: 1 + summed + stored, unit: lanes * at_once }
}

/// How `partial` goes through the entries of a chunk.
#[derive(Clone, Copy, Debug)]
pub enum Walk {
    Once,
    /// Through those whose values are in one binding, then in the next, as often as it takes.
    OfWindows,
}

/// `rows` of a position: powers of four kinds at most, the blocks of its squares, and what it writes.
pub fn rows(blocks: u32) -> u32 {
    4 * (24 + 1) + blocks.div_ceil(2) + 1 + 8
}

/// `inspect` of a row of `columns`.
pub fn inspect(columns: u32) -> u32 {
    columns.div_ceil(INSPECTED_AT_ONCE) + 1
}

/// `ingest` of `strip` entries an invocation.
pub fn ingest(strip: u32) -> u32 {
    strip + 1
}

/// `heads` of a block of positions.
pub fn heads(block: u32) -> u32 {
    block + 1 + CHUNK
}

/// `ingest_small_serial`: eight invocations, digits of seven bits.
pub fn ingest_small_serial(capacity: u32, key_bits: u32, block: u32) -> u32 {
    let (strip, radix) = (capacity.div_ceil(8), 1 << 7);
    let scan = 2 * (radix + 1) + 8;
    let pass = 1 + (radix + 1) + 2 * (strip + 1) + scan;
    let lists = capacity.div_ceil(block).div_ceil(8);
    (strip + 1) + (key_bits.div_ceil(7) * pass + 1) + (lists * (1 + heads(block)) + 1)
}

/// `ingest_small_parallel`: a bitonic sort by 256 invocations.
pub fn ingest_small_parallel(capacity: u32) -> u32 {
    let bits = capacity.next_power_of_two().ilog2();
    let places = (1u32 << bits).div_ceil(256);
    let rounds = bits * (bits + 1) / 2;
    (bits + 1) + (places + 1) + rounds * (places + 2) + (bits + 1) + 2 * 5
}

/// `ingest_radix_parallel`, by 256 invocations: two rounds of 2,048 entries come in, and each digit of 4 bits hands them on in as
/// many rounds, the last of which writes them out, after a scan of 32.
pub fn ingest_radix_parallel(key_bits: u32) -> u32 {
    let round = 1 + (8 + 1);
    (2 * round + 1) + key_bits.div_ceil(4) * (1 + (5 + 1) + (2 * round + 1)) + 1
}

/// `sort_serial_histogram` and `sort_serial_scatter` of a tile. Pairs that are in order are moved in a loop of its own, which is
/// run through else.
pub fn sort_serial(radix: u32, tile: u32) -> u32 {
    (radix + 1) + (tile + 1) + 2
}

/// `sort_serial_scan` of a digit.
pub fn sort_serial_scan(tiles: u32) -> u32 {
    tiles + 1
}

/// `sort_parallel_histogram` and `sort_parallel_scatter` of a tile, by 256 invocations: of each round eight masks are
/// read and, of some digits, cleared; the counts of `fused` tiles are added up, eight in a turn. At worst there is a second scan,
/// a walk over the tile in order, and later passes' counts to be cleared: those of 31 of two digits, or of 3 of 256, for each tile
/// and once more.
pub fn sort_parallel(tile: u32, fused: u32) -> u32 {
    let (scan, clear) = (8 + 1, 8 + 1);
    let rounds = tile.div_ceil(256);
    let later = 2 * 3 + 1;
    2 * scan
        + clear
        + fused.div_ceil(8)
        + 1
        + rounds * (1 + (8 + 1) + clear)
        + 1
        + rounds
        + 1
        + later
}

/// `sort_parallel_scan` of a digit: a prefix sum for every 256 tiles.
pub fn sort_parallel_scan(tiles: u32) -> u32 {
    tiles.div_ceil(256) * (1 + 8 + 1) + 1
}

#[cfg(test)]
#[path = "turns_tests.rs"]
mod tests;
