// squares_serial: what is added up of each row that a gradient names, in blocks of columns.
//
// The form for CPU adapters, as `update_serial`: one invocation a row, no barrier. A workgroup owns a block of
// sorted positions, whose run heads `heads` has listed, and a slice of the blocks of their columns.

override WORKGROUP: u32 = 8u;

const SUMS_CHUNKS: bool = true;

// `is_single` is a constant.
fn square_listed(head: Head, is_single: bool, slice: Slice) {
    // Of a table that shares the block, of another window, or of entries that name no row.
    if (key_at(head.position) - config.window_key >= config.window_rows) {
        return;
    }
    if (is_single) {
        square_row(run_at(head.position, 1u, false), slice, 0u, 1u);
    } else {
        let entries = select(head.entries, 1u, config.first_wins == 1u);
        square_row(run_at(head.position, entries, entries == CHUNK), slice, 0u, 1u);
    }
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    // Blocks of positions are counted from position 0, not from the table's first.
    let block = config.lists.block;
    let first_block = config.keys.first / block;
    let blocks = (config.keys.end + block - 1u) / block - first_block;
    let number = linear_workgroup(workgroup, grid);
    let tile = tile_of(number / slices_of(config.blocks, config.values.slice), blocks);
    let slice = slice_of(number, config.blocks, config.values.slice);
    if (tile >= blocks) {
        return;
    }
    let start = (first_block + tile) * block;
    let list = list_at(start, block, config.lists.first);
    let counts = unpack_counts(scratch[list]);
    // Two loops, as in `update_serial`.
    for (var i = local; i < counts.single; i += WORKGROUP) {
        square_listed(unpack_head(start, scratch[list + 1u + i]), true, slice);
    }
    for (var i = local; i < counts.several + counts.many; i += WORKGROUP) {
        let word = scratch[list + longer_at(i, counts, block)];
        square_listed(unpack_head(start, word), false, slice);
    }
}
