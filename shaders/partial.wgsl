// partial: sums of the chunks of long runs, one level of the tree per dispatch.
//
// A group of LANES invocations owns one block of `stride` sorted positions, and a slice of
// the columns. A run's chunks lie `stride` apart and its first chunk is left to the stage above, so at
// most one chunk that is to be summed starts in a block, and the block's number is its slot.

override WORKGROUP: u32 = 64u;
/// Invocations that share one block; a power of two, at most WORKGROUP.
override LANES: u32 = 1u;
/// Whether this is the lowest level: its items are value rows, else sums of the level below.
override OF_ENTRIES: bool = true;

/// Columns that an invocation sums at once, at most MOST_AT_ONCE, so that the value row of an
/// entry is looked up once for all.
override AT_ONCE: u32 = 1u;

const MOST_AT_ONCE: u32 = 8u;

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

@group(0) @binding(0) var<uniform> config: PartialConfig;
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

// The sums of `entries` value rows from sorted position `start` on, one after another, in the
// columns `column`, `column + pitch`, ...: AT_ONCE of them. What lies past the last column is
// not meant.
fn sum_at_once(
    start: u32,
    entries: u32,
    column: u32,
    pitch: u32,
    values_at: ValueLayout,
) -> array<Lane, MOST_AT_ONCE> {
    var sums: array<Lane, MOST_AT_ONCE>;
    let last = values_at.columns - 1u;
    let first = term_at(start, values_at);
    for (var k = 0u; k < AT_ONCE; k++) {
        sums[k] = value_of(first, min(column + k * pitch, last), values_at);
    }
    for (var i = 1u; i < entries; i++) {
        let term = term_at(start + i, values_at);
        for (var k = 0u; k < AT_ONCE; k++) {
            let value = value_of(term, min(column + k * pitch, last), values_at);
            sums[k] = add(sums[k], value);
        }
    }
    return sums;
}

// As sum_at_once, of `items` sums of the level below.
fn sum_sums(
    start: u32,
    items: u32,
    column: u32,
    pitch: u32,
    values_at: ValueLayout,
) -> array<Lane, MOST_AT_ONCE> {
    var sums: array<Lane, MOST_AT_ONCE>;
    let width = values_at.columns * LANE_WIDTH;
    let slot = (start - config.keys.first) / (config.stride / CHUNK);
    for (var k = 0u; k < AT_ONCE; k++) {
        let at = min(column + k * pitch, values_at.columns - 1u);
        let first = config.sums_below + slot * width + at * LANE_WIDTH;
        sums[k] = load_partial(first);
        for (var i = 1u; i < items; i++) {
            sums[k] = add(sums[k], load_partial(first + i * width));
        }
    }
    return sums;
}

fn sum_items(start: u32, items: u32, column: u32) -> array<Lane, MOST_AT_ONCE> {
    if (OF_ENTRIES) {
        return sum_at_once(start, items, column, LANES, config.values);
    }
    return sum_sums(start, items, column, LANES, config.values);
}

fn store_partial(at: u32, sum: Lane) {
    let words = words_of(sum);
    for (var i = 0u; i < LANE_WIDTH; i++) {
        scratch[at + i] = words[i];
    }
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let per_workgroup = WORKGROUP / LANES;
    let tiles = (config.blocks + per_workgroup - 1u) / per_workgroup;
    let number = linear_workgroup(workgroup, grid);
    let slices = slices_of(config.values.columns, config.values.slice);
    let slice = slice_of(number, config.values.columns, config.values.slice);
    let block = tile_of(number / slices, tiles) * per_workgroup + local / LANES;
    if (block >= config.blocks) {
        return;
    }
    let probe = config.keys.first + block * config.stride;
    let key = key_at(probe);
    // Most blocks hold no chunk but first ones, and one look tells.
    if (block == 0u || key_at(probe - 1u) != key) {
        return;
    }
    let run = run_start(config.keys.first, probe, key);
    let chunks_before = (probe - run + config.stride - 1u) / config.stride;
    let start = run + chunks_before * config.stride;
    if (key >= config.keys.sentinel || chunks_before == 0u || start >= config.keys.end) {
        return;
    }
    if (key_at(start) != key) {
        return;
    }
    let items = items_in_run(start, config.stride / CHUNK, config.keys.end, key);
    for (var first = slice.first + local % LANES; first < slice.end; first += AT_ONCE * LANES) {
        var sums = sum_items(start, items, first);
        for (var k = 0u; k < AT_ONCE; k++) {
            let column = first + k * LANES;
            if (column < slice.end) {
                let at = config.sums + (block * config.values.columns + column) * LANE_WIDTH;
                store_partial(at, sums[k]);
            }
        }
    }
}
