// sort_parallel_scatter: moves each pair to its place; one workgroup owns one tile.
//
// A round ranks 256 pairs at once, by masks or by ballots: how many of the round have a pair's digit before it. So the sort is
// stable and nothing depends on the order in which invocations run.

override WORKGROUP: u32 = 256u;

@group(0) @binding(0) var<uniform> config: SortConfig;
@group(0) @binding(1) var<storage, read> source: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read_write> target_pairs: array<vec2<u32>>;

/// Next free place of each digit.
var<workgroup> places: array<u32, DIGITS>;
var<workgroup> sums: array<u32, DIGITS>;

/// Of a digit: pairs in all tiles, in those before a tile, and in the tile.
struct Counted {
    all: u32,
    before: u32,
    own: u32,
}

// What the scan found.
fn scanned(digit: u32, tile: u32) -> Counted {
    var counted = Counted(count_at(total_at(digit, config)), 0u, 0u);
    if (tile < config.tiles) {
        counted.before = count_at(histogram_at(digit, tile, config));
        // Those before the next tile; of the last one, all.
        counted.own = counted.all - counted.before;
        if (tile + 1u < config.tiles) {
            counted.own = count_at(histogram_at(digit, tile + 1u, config)) - counted.before;
        }
    }
    return counted;
}

// Adds up the tiles' counts, eight of them on their way at once.
fn added_up(digit: u32, tile: u32) -> Counted {
    var counted = Counted(0u, 0u, 0u);
    let last = config.tiles - 1u;
    for (var t = 0u; t < config.tiles; t += 4u * 2u) {
        let low = vec4<u32>(t, t + 1u, t + 2u, t + 3u);
        let high = low + 4u;
        var first = vec4<u32>(
            count_at(histogram_at(digit, min(low.x, last), config)),
            count_at(histogram_at(digit, min(low.y, last), config)),
            count_at(histogram_at(digit, min(low.z, last), config)),
            count_at(histogram_at(digit, min(low.w, last), config)),
        );
        var second = vec4<u32>(
            count_at(histogram_at(digit, min(high.x, last), config)),
            count_at(histogram_at(digit, min(high.y, last), config)),
            count_at(histogram_at(digit, min(high.z, last), config)),
            count_at(histogram_at(digit, min(high.w, last), config)),
        );
        first = select(vec4<u32>(), first, low <= vec4<u32>(last));
        second = select(vec4<u32>(), second, high <= vec4<u32>(last));
        counted.all += sum_of(first) + sum_of(second);
        counted.before += sum_of(select(vec4<u32>(), first, low < vec4<u32>(tile)))
            + sum_of(select(vec4<u32>(), second, high < vec4<u32>(tile)));
        counted.own += sum_of(select(vec4<u32>(), first, low == vec4<u32>(tile)))
            + sum_of(select(vec4<u32>(), second, high == vec4<u32>(tile)));
    }
    return counted;
}

fn sum_of(x: vec4<u32>) -> u32 {
    return x.x + x.y + x.z + x.w;
}

fn load_places(tile: u32, local: u32) {
    var counted = Counted(0u, 0u, 0u);
    if (local < config.radix) {
        if (config.fused == 1u) {
            counted = added_up(local, tile);
        } else {
            counted = scanned(local, tile);
        }
    }
    sums[local] = counted.all;
    scan_sums(local);
    begin_places(sums[local] - counted.all + counted.before, counted.own, local);
}

// The pair at `i`; where there is none, any.
fn load_pair(i: u32) -> vec2<u32> {
    return source[min(i, config.count - 1u)];
}

@compute @workgroup_size(WORKGROUP)
fn main(invocation: Invocation) {
    let local = invocation.local;
    let tile = linear_workgroup(invocation.workgroup, invocation.grid);
    // A tile past the last one (the grid is a rectangle) has start >= count.
    let start = tile * config.tile_size + local;
    var next = load_pair(start);
    clear_masks(local);
    begin_ranking(invocation);
    load_places(tile, local);
    for (var round = 0u; round < config.tile_size; round += WORKGROUP) {
        let pair = next;
        let live = tile < config.tiles && start + round < config.count;
        let digit = digit_of(pair.x, config);
        enter(digit, live, local);
        // On its way while this round's pairs are ranked.
        next = load_pair(start + round + WORKGROUP);
        workgroupBarrier();
        let ranked = rank(digit, local);
        let place = places[digit] + ranked.x;
        workgroupBarrier();
        if (live) {
            put(place, pair);
            // The first of its digit speaks for all of them.
            if (ranked.x == 0u) {
                places[digit] += ranked.y;
                clear_masks(digit);
            }
        }
        workgroupBarrier();
    }
    if (tile < config.tiles) {
        put_out(min(config.tile_size, config.count - tile * config.tile_size), local);
    }
}
