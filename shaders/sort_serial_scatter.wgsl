// sort_serial_scatter: moves each pair to its place; one invocation owns one tile.
//
// It walks its tile in order and hands out places one by one, so the sort is stable. Pairs that are in order are only moved
// to where the last pass leaves them.

override WORKGROUP: u32 = 8u;

@group(0) @binding(0) var<uniform> config: SortConfig;
@group(0) @binding(1) var<storage, read> source: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read_write> target_pairs: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read_write> histogram: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let sort = config;
    let tile = id.x;
    if (tile >= sort.tiles) {
        return;
    }
    let start = tile * sort.tile_size;
    let end = min(start + sort.tile_size, sort.count);
    if (in_order(sort)) {
        if (sort.pass_kind == FIRST_AND_MOVES) {
            for (var i = start; i < end; i++) {
                target_pairs[i] = source[i];
            }
        }
        return;
    }
    // The tile's own column of the histogram becomes its next free place per digit.
    var digits_before = 0u;
    for (var digit = 0u; digit < sort.radix; digit++) {
        histogram[histogram_at(digit, tile, sort)] += digits_before;
        digits_before += histogram[total_at(digit, sort)];
    }
    for (var i = start; i < end; i++) {
        let pair = source[i];
        let at = histogram_at(digit_of(pair.x, sort), tile, sort);
        let place = histogram[at];
        histogram[at] = place + 1u;
        target_pairs[place] = pair;
    }
}
