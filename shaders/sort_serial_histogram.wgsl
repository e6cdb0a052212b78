// sort_serial_histogram: counts each tile's digits; one invocation owns one tile.
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
    if (tile >= sort.tiles) {
        return;
    }
    for (var digit = 0u; digit < sort.radix; digit++) {
        histogram[histogram_at(digit, tile, sort)] = 0u;
    }
    let start = tile * sort.tile_size;
    let end = min(start + sort.tile_size, sort.count);
    for (var i = start; i < end; i++) {
        histogram[histogram_at(digit_of(source[i].x, sort), tile, sort)] += 1u;
    }
}
