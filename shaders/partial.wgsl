// partial: sums of the chunks of long runs, one level of the tree a dispatch.
//
// A group of LANES invocations owns one block of `stride` sorted positions. A run's chunks
// lie `stride` apart and its first chunk is left to the stage above, so at most one chunk
// that is to be summed starts in a block, and the block's number is its slot.

override WORKGROUP: u32 = 64u;
/// Invocations that share one block; a power of two, at most WORKGROUP.
override LANES: u32 = 1u;
/// Whether this is the lowest level: its items are value rows, else sums of the level below.
override OF_ENTRIES: bool = true;

struct PartialConfig {
    /// The table's sorted positions are [first, end).
    first: u32,
    end: u32,
    /// Blocks to look at, and positions a block: CHUNK^level.
    blocks: u32,
    stride: u32,
    /// Where this level's sums go, and where those of the level below lie, in words.
    sums: u32,
    sums_below: u32,
    /// The table's sentinel key.
    sentinel: u32,
    pad0: u32,
    source: Source,
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

fn sum_items(start: u32, items: u32, column: u32, source: Source) -> Lane {
    if (OF_ENTRIES) {
        return sum_entries(start, items, column, source);
    }
    let width = source.columns * LANE_WIDTH;
    let slot = (start - config.first) / (config.stride / CHUNK);
    let at = config.sums_below + slot * width + column * LANE_WIDTH;
    var sum = load_partial(at);
    for (var i = 1u; i < items; i++) {
        sum += load_partial(at + i * width);
    }
    return sum;
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let block = linear_workgroup(workgroup, grid) * (WORKGROUP / LANES) + local / LANES;
    if (block >= config.blocks) {
        return;
    }
    let probe = config.first + block * config.stride;
    let key = key_at(probe);
    let run = run_start(config.first, probe, key);
    let chunks_before = (probe - run + config.stride - 1u) / config.stride;
    let start = run + chunks_before * config.stride;
    if (key >= config.sentinel || chunks_before == 0u || start >= config.end) {
        return;
    }
    if (key_at(start) != key) {
        return;
    }
    let items = items_in_run(start, config.stride / CHUNK, config.end, key);
    let source = config.source;
    for (var column = local % LANES; column < source.columns; column += LANES) {
        let words = words_of(sum_items(start, items, column, source));
        let at = config.sums + (block * source.columns + column) * LANE_WIDTH;
        for (var i = 0u; i < LANE_WIDTH; i++) {
            scratch[at + i] = words[i];
        }
    }
}
