// Which chunk of a run a group of invocations of `partial` sums, and where its sum goes.
//
// A stage that uses this declares WORKGROUP, and has the fragments `runs`, one that counts the items of a run,
// `tiles`, `slices` and `grid`, and binds its config by `sums_of_one` or `sums_of_items`. So many invocations, its lanes, own one block of `stride` sorted positions, and a slice of
// the columns. A run's chunks lie `stride` apart and its first chunk is left to the stage above, so at
// most one chunk that is to be summed starts in a block, and the block's number is its slot.

/// Whether this is the lowest level: its items are value rows, else sums of the level below.
override OF_ENTRIES: bool = true;

struct PartialConfig {
    keys: Keys,
    values: ValueLayout,
    /// Blocks to look at, and positions per block: CHUNK^level.
    blocks: u32,
    stride: u32,
    /// Where this level's sums go, and where those of the level below lie, in words.
    sums: u32,
    sums_below: u32,
    /// 0, which no compiler knows (fragment `exact`).
    zero: u32,
    /// What entries are clipped to, where they are.
    limit: f32,
    pad0: u32,
    pad1: u32,
}

@group(0) @binding(1) var<storage, read_write> scratch: array<u32>;

// First position in [low, high] whose key is `key`; the one at `high` is.
fn run_start(first: u32, last: u32, key: u32) -> u32 {
    var low = first;
    var high = last;
    for (var step = 0u; step < 32u && low < high; step++) {
        let middle = low + (high - low) / 2u;
        if (key_at(middle) < key) {
            low = middle + 1u;
        } else {
            high = middle;
        }
    }
    return low;
}

/// A chunk: its block, first position and items, of which there are none where the block has no chunk to be summed.
struct Chunk {
    block: u32,
    start: u32,
    items: u32,
}

// The chunk that starts in a block.
fn chunk_in(block: u32) -> Chunk {
    let none = Chunk(block, 0u, 0u);
    if (block >= config.blocks) {
        return none;
    }
    let probe = config.keys.first + block * config.stride;
    let key = key_at(probe);
    // Most blocks hold no chunk but first ones, and one look tells.
    if (block == 0u || key_at(probe - 1u) != key) {
        return none;
    }
    let run = run_start(config.keys.first, probe, key);
    let chunks_before = (probe - run + config.stride - 1u) / config.stride;
    let start = run + chunks_before * config.stride;
    if (key >= config.keys.sentinel || chunks_before == 0u || start >= config.keys.end) {
        return none;
    }
    if (key_at(start) != key) {
        return none;
    }
    return Chunk(block, start, items_in_run(start, config.stride / CHUNK, config.keys.end, key));
}

// The chunk of an invocation's group of `lanes`; workgroup / slices_of(..) is its number among the groups of groups.
fn chunk_of(number: u32, lanes: u32, local: u32) -> Chunk {
    let per_workgroup = WORKGROUP / lanes;
    let tiles = (config.blocks + per_workgroup - 1u) / per_workgroup;
    return chunk_in(tile_of(number, tiles) * per_workgroup + local / lanes);
}

// Words of a sum, and where the first item of a chunk has one of the level below.
fn sum_words() -> u32 {
    return config.values.columns * LANE_WIDTH;
}

fn first_below(chunk: Chunk) -> u32 {
    let slot = (chunk.start - config.keys.first) / (config.stride / CHUNK);
    return config.sums_below + slot * sum_words();
}

fn store_sum(chunk: Chunk, column: u32, sum: Lane) {
    let at = config.sums + (chunk.block * config.values.columns + column) * LANE_WIDTH;
    let words = words_of(sum);
    for (var i = 0u; i < LANE_WIDTH; i++) {
        scratch[at + i] = words[i];
    }
}
