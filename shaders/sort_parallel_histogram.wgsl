// sort_parallel_histogram: counts each tile's digits; one workgroup owns one tile.

override WORKGROUP: u32 = 256u;

@group(0) @binding(0) var<uniform> config: SortConfig;
@group(0) @binding(1) var<storage, read> source: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read_write> histogram: array<u32>;

var<workgroup> counts: array<atomic<u32>, 256>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let tile = linear_workgroup(workgroup, grid);
    let in_all = config.tiles * WORKGROUP;
    for (var i = tile * WORKGROUP + local; i < config.clear_words; i += in_all) {
        histogram[config.next_first + i] = 0u;
    }
    for (var digit = local; digit < 256u; digit += WORKGROUP) {
        atomicStore(&counts[digit], 0u);
    }
    workgroupBarrier();
    // A tile past the last one (the grid is a rectangle) has start >= count.
    let start = tile * config.tile_size;
    let end = min(start + config.tile_size, config.count);
    for (var i = start + local; i < end; i += WORKGROUP) {
        atomicAdd(&counts[digit_of(source[i].x, config)], 1u);
    }
    workgroupBarrier();
    if (tile < config.tiles) {
        for (var digit = local; digit < config.radix; digit += WORKGROUP) {
            histogram[histogram_at(digit, tile, config)] = atomicLoad(&counts[digit]);
        }
    }
}
