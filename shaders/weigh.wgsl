// weigh: writes where each entry of a weighted gradient finds its values, and their weight.
//
// One invocation per entry. `[entries, 2]` words: the value row, and the bits of the weight.

override WORKGROUP: u32 = 64u;

@group(0) @binding(0) var<uniform> config: EntriesConfig;
@group(0) @binding(1) var<storage, read_write> value_map: array<u32>;
@group(0) @binding(2) var<storage, read_write> weights: array<u32>;
@group(0) @binding(3) var<storage, read_write> scratch: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let entry = linear_workgroup(workgroup, grid) * WORKGROUP + local;
    if (entry >= config.capacity) {
        return;
    }
    var value_row = entry;
    if (config.value_origin == VALUES_BY_MAP) {
        value_row = value_map[entry];
    }
    let at = config.terms + 2u * (config.entry_base + entry);
    scratch[at] = config.value_base + value_row;
    // A gradient without weights, accumulated beside one with, weighs 1.
    scratch[at + 1u] = select(bitcast<u32>(1f), weights[entry], config.has_weights == 1u);
}
