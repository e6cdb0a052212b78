// squares_parallel: what is added up of each row that a gradient names, in blocks of columns.
//
// The form for GPUs, as `update_parallel`: a workgroup owns TILE sorted positions and a slice of the blocks of their
// columns, and deals the run heads among them out to groups of invocations.

override WORKGROUP: u32 = 64u;
/// Sorted positions per workgroup, at most MAX_TILE.
override TILE: u32 = 64u;

const MAX_TILE: u32 = 256u;

/// Whether chunks of long runs may be left to this stage to sum: here they never are.
const SUMS_CHUNKS: bool = false;

var<workgroup> heads: array<u32, MAX_TILE>;
var<workgroup> head_count: atomic<u32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    if (local == 0u) {
        atomicStore(&head_count, 0u);
    }
    workgroupBarrier();
    let number = linear_workgroup(workgroup, grid);
    let slice = slice_of(number, config.blocks, config.values.slice);
    let tile = number / slices_of(config.blocks, config.values.slice);
    let start = config.keys.first + tile * TILE;
    for (var i = local; i < TILE; i += WORKGROUP) {
        if (is_head(start + i)) {
            heads[atomicAdd(&head_count, 1u)] = start + i;
        }
    }
    workgroupBarrier();
    let count = atomicLoad(&head_count);
    let lanes = lanes_of(config.blocks);
    for (var i = local / lanes; i < count; i += WORKGROUP / lanes) {
        let head = heads[i];
        var entries = 1u;
        if (config.first_wins == 0u) {
            entries = items_in_run(head, 1u, config.keys.end, key_at(head));
        }
        square_row(run_at(head, entries, entries == CHUNK), slice, local % lanes, lanes);
    }
}
