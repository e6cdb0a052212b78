// heads: lists the run heads of each block of sorted positions; one invocation owns a block.
//
// For CPU adapters: what `update_wide` finds out in its workgroup, without barriers.

override WORKGROUP: u32 = 8u;

struct HeadsConfig {
    /// Sorted positions, and positions a block.
    count: u32,
    block: u32,
    /// First word of the lists.
    lists: u32,
    pad0: u32,
}

@group(0) @binding(0) var<uniform> config: HeadsConfig;
@group(0) @binding(1) var<storage, read_write> scratch: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let start = (linear_workgroup(workgroup, grid) * WORKGROUP + local) * config.block;
    if (start < config.count) {
        list_heads(start, config.block, config.count, config.lists);
    }
}
