// What is added up of a table's summed gradient, block by block of its columns.
//
// A stage that uses this declares SUMS_CHUNKS, and has the fragments `runs`, `slices`, `sums`, `run_sums`, `heads`, one of
// `blocks_*`, and one that declares `scratch`; `squared(run, column, sum)`: what is added up of one lane of a row's
// sum; and `together(x, y)`, which adds two parts of that.
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
    /// The key of the window's first row, and its rows.
    window_key: u32,
    window_rows: u32,
    /// 1: the gradient is the mean of a row's entries.
    mean: u32,
    pad0: u32,
}

@group(0) @binding(0) var<uniform> config: SquaresConfig;

/// f32 columns of a block; the last block of a row may have fewer.
const BLOCK: u32 = 16u;

/// A run: its row in the window, its first position and that one's term, its entries up to CHUNK, whether there
/// may be more, and how many there are where the gradient is their mean.
struct Run {
    row: u32,
    head: u32,
    key: u32,
    entries: u32,
    many: bool,
    first: Term,
    length: u32,
}

fn run_at(head: u32, entries: u32, many: bool) -> Run {
    let key = key_at(head);
    var length = entries;
    if (many && config.mean == 1u) {
        length = run_length(head, key);
    }
    let row = key - config.window_key;
    return Run(row, head, key, entries, many, term_at(head, config.values), length);
}

// What is added up of a column of a run's row.
fn squared_at(run: Run, column: u32) -> Lane {
    var sum: Lane;
    if (SUMS_CHUNKS) {
        let chunks = select(1u, CHUNK, run.many && config.levels == 0u);
        sum = sum_run(run.first, run.head, run.key, run.entries, chunks, column);
    } else {
        sum = sum_terms(run.first, run.head, run.entries, column, config.values);
    }
    if (run.many && config.levels > 0u) {
        sum = add_partials(sum, run.head, run.key, column);
    }
    return squared(run, column, sum);
}

// Writes the blocks of a slice of a run's row that are one of `lanes` invocations'.
fn square_row(run: Run, slice: Slice, lane: u32, lanes: u32) {
    let first = config.squares + (run.head - config.keys.first) * config.blocks;
    for (var block = slice.first + lane; block < slice.end; block += lanes) {
        scratch[first + block] = bitcast<u32>(block_of(run, block));
    }
}
