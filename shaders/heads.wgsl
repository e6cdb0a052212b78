// heads: lists the run heads of each block of sorted positions; one invocation owns a block.
//
// For CPU adapters: what `update_parallel` finds out in its workgroup, without barriers.

override WORKGROUP: u32 = 8u;

@group(0) @binding(0) var<uniform> lists: HeadLists;
@group(0) @binding(1) var<storage, read_write> scratch: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let start = (linear_workgroup(workgroup, grid) * WORKGROUP + local) * lists.block;
    if (start < lists.count) {
        list_heads(start, lists.block, lists.count, lists.first);
    }
}
