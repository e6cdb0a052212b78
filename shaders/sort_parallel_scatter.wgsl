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

/// `[256 digits, WORDS]`: bit `b` of word `w` is invocation `32 w + b`.
var<workgroup> masks: array<atomic<u32>, 2048>;
/// Next free place of each digit.
var<workgroup> places: array<u32, 256>;
var<workgroup> sums: array<u32, 256>;

fn load_places(tile: u32, local: u32) {
    var total = 0u;
    var before = 0u;
    if (local < config.radix) {
        total = histogram[total_at(local, config)];
        if (tile < config.tiles) {
            before = histogram[histogram_at(local, tile, config)];
        }
    }
    sums[local] = total;
    scan_sums(local);
    places[local] = sums[local] - total + before;
}

// Equal digits set by invocations below `local`, and by all.
fn rank(digit: u32, local: u32) -> vec2<u32> {
    let own_word = local / 32u;
    var below = 0u;
    var all = 0u;
    for (var word = 0u; word < WORDS; word++) {
        let bits = atomicLoad(&masks[digit * WORDS + word]);
        if (word < own_word) {
            below += countOneBits(bits);
        } else if (word == own_word) {
            below += countOneBits(bits & ((1u << (local % 32u)) - 1u));
        }
        all += countOneBits(bits);
    }
    return vec2<u32>(below, all);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let tile = linear_workgroup(workgroup, grid);
    load_places(tile, local);
    for (var round = 0u; round < config.tile_size; round += WORKGROUP) {
        for (var word = 0u; word < WORDS; word++) {
            atomicStore(&masks[word * WORKGROUP + local], 0u);
        }
        workgroupBarrier();
        let i = tile * config.tile_size + round + local;
        let live = tile < config.tiles && i < config.count;
        var pair = vec2<u32>(0u, 0u);
        var digit = 0u;
        if (live) {
            pair = source[i];
            digit = digit_of(pair.x, config);
            atomicOr(&masks[digit * WORDS + local / 32u], 1u << (local % 32u));
        }
        workgroupBarrier();
        let ranked = rank(digit, local);
        let place = places[digit] + ranked.x;
        workgroupBarrier();
        if (live) {
            target_pairs[place] = pair;
            // The first of its digit speaks for all of them.
            if (ranked.x == 0u) {
                places[digit] += ranked.y;
            }
        }
        workgroupBarrier();
    }
}
