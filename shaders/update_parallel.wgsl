// update_parallel: sums the value rows of each run and applies a rule to the row it names, in place.
//
// The form for GPUs. A workgroup owns TILE sorted positions and a slice of their
// columns. It first lists the run heads among them whose row lies in the window, then deals them out
// to groups of LANES invocations. The order of the list does not matter: a row is written by one
// group alone, from its own entries.

override WORKGROUP: u32 = 64u;
/// Invocations that share one row; a power of two, at most WORKGROUP.
override LANES: u32 = 1u;
/// Sorted positions per workgroup, at most MAX_TILE.
override TILE: u32 = 64u;

const MAX_TILE: u32 = 256u;

var<workgroup> heads: array<u32, MAX_TILE>;
var<workgroup> head_count: atomic<u32>;

// Whether the tile at `start` may hold rows of the window: sorted keys tell by its ends.
fn meets_window(start: u32) -> bool {
    if (start >= config.keys.end) {
        return false;
    }
    let lowest = key_at(start);
    let highest = key_at(min(start + TILE, config.keys.end) - 1u);
    let window_end = config.window_key + config.window_rows;
    return config.unique == 1u || (lowest < window_end && highest >= config.window_key);
}

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
    let columns = config.values.columns;
    let slice = slice_of(number, columns, config.values.slice);
    let start = config.keys.first + number / slices_of(columns, config.values.slice) * TILE;
    let positions = select(0u, TILE, meets_window(start));
    for (var i = local; i < positions; i += WORKGROUP) {
        if (is_head(start + i)) {
            heads[atomicAdd(&head_count, 1u)] = start + i;
        }
    }
    workgroupBarrier();
    let count = atomicLoad(&head_count);
    for (var i = local / LANES; i < count; i += WORKGROUP / LANES) {
        let head = heads[i];
        var entries = 1u;
        if (config.first_wins == 0u) {
            entries = items_in_run(head, 1u, config.keys.end, key_at(head));
        }
        if (entries == CHUNK) {
            update_row_of_many(head, slice, local % LANES);
        } else {
            update_row(head, entries, slice, local % LANES);
        }
    }
}
