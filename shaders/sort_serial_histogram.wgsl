// sort_serial_histogram: counts each tile's digits, and of the first pass tells whether it is out of order; one invocation
// owns one tile.
//
// The form for CPU adapters: no barriers, no atomics, one lane of SIMD a tile.

override WORKGROUP: u32 = 8u;

@group(0) @binding(0) var<uniform> config: SortConfig;
@group(0) @binding(1) var<storage, read> source: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read_write> histogram: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let sort = config;
    let tile = id.x;
    if (tile >= sort.tiles || is_over(sort)) {
        return;
    }
    for (var digit = 0u; digit < sort.radix; digit++) {
        histogram[histogram_at(digit, tile, sort)] = 0u;
    }
    let start = tile * sort.tile_size;
    let end = min(start + sort.tile_size, sort.count);
    var last = source[max(start, 1u) - 1u].x;
    var out_of_order = 0u;
    for (var i = start; i < end; i++) {
        let key = source[i].x;
        histogram[histogram_at(digit_of(key, sort), tile, sort)] += 1u;
        out_of_order |= u32(key < last);
        last = key;
    }
    if (sort.pass_kind != LATER) {
        histogram[sort.order + tile] = out_of_order;
    }
}
