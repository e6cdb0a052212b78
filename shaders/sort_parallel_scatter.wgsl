// sort_parallel_scatter: moves each pair to its place; one workgroup owns one tile.
//
// A round ranks 256 pairs at once: every invocation sets its bit in its digit's 256-bit
// mask, and the bits below its own are the equal digits before it. So the sort is stable
// and nothing depends on the order in which invocations run.

override WORKGROUP: u32 = 256u;

@group(0) @binding(0) var<uniform> config: SortConfig;
@group(0) @binding(1) var<storage, read> source: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read_write> target_pairs: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read_write> histogram: array<u32>;

const WORDS: u32 = 8u;
const DIGITS: u32 = 256u;

/// `[WORDS, DIGITS]`: bit `b` of word `w` is invocation `32 w + b`. Between rounds, all 0. Neighbouring digits are
/// neighbours, so that the lanes of a SIMD group seldom meet in a bank.
var<workgroup> masks: array<atomic<u32>, 2048>;
/// Next free place of each digit.
var<workgroup> places: array<u32, DIGITS>;
var<workgroup> sums: array<u32, DIGITS>;

/// Of a digit: pairs in all tiles, and in those before a tile.
struct Counted {
    all: u32,
    before: u32,
}

// What the scan found.
fn scanned(digit: u32, tile: u32) -> Counted {
    var counted = Counted(histogram[total_at(digit, config)], 0u);
    if (tile < config.tiles) {
        counted.before = histogram[histogram_at(digit, tile, config)];
    }
    return counted;
}

// Adds up the tiles' counts, eight of them on their way at once.
fn added_up(digit: u32, tile: u32) -> Counted {
    var counted = Counted(0u, 0u);
    let last = config.tiles - 1u;
    for (var t = 0u; t < config.tiles; t += 4u * 2u) {
        let low = vec4<u32>(t, t + 1u, t + 2u, t + 3u);
        let high = low + 4u;
        var first = vec4<u32>(
            histogram[histogram_at(digit, min(low.x, last), config)],
            histogram[histogram_at(digit, min(low.y, last), config)],
            histogram[histogram_at(digit, min(low.z, last), config)],
            histogram[histogram_at(digit, min(low.w, last), config)],
        );
        var second = vec4<u32>(
            histogram[histogram_at(digit, min(high.x, last), config)],
            histogram[histogram_at(digit, min(high.y, last), config)],
            histogram[histogram_at(digit, min(high.z, last), config)],
            histogram[histogram_at(digit, min(high.w, last), config)],
        );
        first = select(vec4<u32>(), first, low <= vec4<u32>(last));
        second = select(vec4<u32>(), second, high <= vec4<u32>(last));
        counted.all += sum_of(first) + sum_of(second);
        counted.before += sum_of(select(vec4<u32>(), first, low < vec4<u32>(tile)))
            + sum_of(select(vec4<u32>(), second, high < vec4<u32>(tile)));
    }
    return counted;
}

fn sum_of(x: vec4<u32>) -> u32 {
    return x.x + x.y + x.z + x.w;
}

fn load_places(tile: u32, local: u32) {
    var counted = Counted(0u, 0u);
    if (local < config.radix) {
        if (config.fused == 1u) {
            counted = added_up(local, tile);
        } else {
            counted = scanned(local, tile);
        }
    }
    sums[local] = counted.all;
    scan_sums(local);
    places[local] = sums[local] - counted.all + counted.before;
}

// Equal digits set by invocations below `local`, and by all.
fn rank(digit: u32, local: u32) -> vec2<u32> {
    let own_word = local / 32u;
    var below = 0u;
    var all = 0u;
    for (var word = 0u; word < WORDS; word++) {
        let bits = atomicLoad(&masks[word * DIGITS + digit]);
        if (word < own_word) {
            below += countOneBits(bits);
        } else if (word == own_word) {
            below += countOneBits(bits & ((1u << (local % 32u)) - 1u));
        }
        all += countOneBits(bits);
    }
    return vec2<u32>(below, all);
}

fn clear_masks(digit: u32) {
    for (var word = 0u; word < WORDS; word++) {
        atomicStore(&masks[word * DIGITS + digit], 0u);
    }
}

// The pair at `i`; where there is none, any.
fn load_pair(i: u32) -> vec2<u32> {
    return source[min(i, config.count - 1u)];
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let tile = linear_workgroup(workgroup, grid);
    // A tile past the last one (the grid is a rectangle) has start >= count.
    let start = tile * config.tile_size + local;
    var next = load_pair(start);
    clear_masks(local);
    load_places(tile, local);
    for (var round = 0u; round < config.tile_size; round += WORKGROUP) {
        let pair = next;
        let live = tile < config.tiles && start + round < config.count;
        let digit = digit_of(pair.x, config);
        if (live) {
            atomicOr(&masks[(local / 32u) * DIGITS + digit], 1u << (local % 32u));
        }
        // On its way while this round's pairs are ranked.
        next = load_pair(start + round + WORKGROUP);
        workgroupBarrier();
        let ranked = rank(digit, local);
        let place = places[digit] + ranked.x;
        workgroupBarrier();
        if (live) {
            target_pairs[place] = pair;
            // The first of its digit speaks for all of them.
            if (ranked.x == 0u) {
                places[digit] += ranked.y;
                clear_masks(digit);
            }
        }
        workgroupBarrier();
    }
}
