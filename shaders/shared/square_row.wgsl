// What is added up of a table's summed gradient, block by block of its columns.
//
// A stage that uses this declares LANES, and has the fragments `runs`, `slices`, `sums`, `run_sums`, `heads`, one of
// `blocks_*`, and one that declares `squared(row, column, sum)`: what is added up of one lane of a row's sum; and
// `joined(x, y)`, which adds two parts of that.
//
// Of the run at sorted position p, block b goes to word `squares + (p - keys.first) * blocks + b` of scratch. At
// other positions nothing is written. A block's columns are added in an order that depends on no width and no lane.

struct SquaresConfig {
    /// Where the sums of each level of partial lie, in words.
    sums: vec4<u32>,
    keys: Keys,
    /// Its slice is of blocks.
    values: ValueLayout,
    lists: HeadLists,
    /// First word of the block sums `[positions, blocks]`, and blocks per row.
    squares: u32,
    blocks: u32,
    /// As in UpdateConfig.
    levels: u32,
    first_wins: u32,
    unique: u32,
    /// 0, which no compiler knows (fragment `exact`).
    zero: u32,
    /// What entries are clipped to, where they are.
    limit: f32,
    /// What a row's sum is multiplied by.
    grad_scale: f32,
}

@group(0) @binding(0) var<uniform> config: SquaresConfig;
@group(0) @binding(1) var<storage, read_write> scratch: array<u32>;

/// f32 columns of a block; the last block of a row may have fewer.
const BLOCK: u32 = 16u;

/// A run: its row in the table, its first position and that one's term, its entries up to CHUNK, and whether there
/// may be more.
struct Run {
    row: u32,
    head: u32,
    key: u32,
    entries: u32,
    many: bool,
    first: Term,
}

fn run_at(head: u32, entries: u32, many: bool) -> Run {
    let key = key_at(head);
    return Run(key - config.keys.base, head, key, entries, many, term_at(head, config.values));
}

// What is added up of a column of a run's row.
fn squared_at(run: Run, column: u32) -> Lane {
    var sum = sum_terms(run.first, run.head, run.entries, column, config.values);
    if (run.many) {
        if (config.levels == 0u) {
            sum = add_chunks(sum, run.head, run.key, column);
        } else {
            sum = add_partials(sum, run.head, run.key, column);
        }
    }
    return squared(run.row, column, sum);
}

// Writes the blocks of a slice of a run's row.
fn square_row(run: Run, slice: Slice, lane: u32) {
    let first = config.squares + (run.head - config.keys.first) * config.blocks;
    for (var block = slice.first + lane; block < slice.end; block += LANES) {
        scratch[first + block] = bitcast<u32>(block_of(run, block));
    }
}
