// update_serial: sums the value rows of each run and applies a rule to the row it names, in place.
//
// The form for CPU adapters: one invocation a row, no barrier. A workgroup owns a block of
// sorted positions, whose run heads `heads` has listed, so that no lane of SIMD is idle, and a
// slice of their columns.

override WORKGROUP: u32 = 8u;

// Whether the block at `start` may hold rows of the window: sorted keys tell by its ends.
fn meets_window(start: u32) -> bool {
    let lowest = key_at(max(start, config.keys.first));
    let highest = key_at(min(start + config.lists.block, config.keys.end) - 1u);
    let window_end = config.window_key + config.window_rows;
    return lowest < window_end && highest >= config.window_key;
}

// Updates a slice of the row of the run at `position`, which has one entry.
fn update_single(position: u32, row: u32, slice: Slice) {
    begin_row();
    let term = term_at(position, config.values);
    touch(row, term.value_row, slice);
    let of_row = shared_of(position, 1u);
    for (var column = slice.first; column < slice.end; column++) {
        let value = value_of(term, column, config.values);
        update_lane(row, column, load_held(row, column), value, of_row);
    }
}

// As update_single, of a run of several entries or more, of which perhaps only the first counts.
fn update_several(head: Head, row: u32, slice: Slice) {
    begin_row();
    let first = term_at(head.position, config.values);
    touch(row, first.value_row, slice);
    let items = select(head.entries, 1u, config.first_wins == 1u);
    let is_long = items == CHUNK;
    let key = config.window_key + row;
    var entries = items;
    if (MEAN && is_long) {
        entries = run_length(head.position, key);
    }
    let of_row = shared_of(head.position, entries);
    let chunks = select(1u, CHUNK, is_long && config.levels == 0u);
    for (var column = slice.first; column < slice.end; column++) {
        var sum = sum_run(first, head.position, key, items, chunks, column);
        if (is_long && config.levels > 0u) {
            sum = add_partials(sum, head.position, key, column);
        }
        update_lane(row, column, load_held(row, column), sum, of_row);
    }
}

// Updates the row of a head, if it is in the window and so in the table: keys are the table's
// alone. `is_single` is a constant.
fn update_listed(head: Head, is_single: bool, slice: Slice) {
    let row = key_at(head.position) - config.window_key;
    if (row >= config.window_rows) {
        return;
    }
    if (is_single) {
        update_single(head.position, row, slice);
    } else {
        update_several(head, row, slice);
    }
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    // A grid of several items has one axis.
    let in_all = dealt_out(linear_workgroup(workgroup, grid), grid.x);
    let item = item_of(in_all);
    begin_item(item);
    let number = in_all - first_workgroup(item);
    // Blocks are counted from position 0, not from the table's first.
    let block = config.lists.block;
    let first_block = config.keys.first / block;
    let blocks = (config.keys.end + block - 1u) / block - first_block;
    let columns = config.values.columns;
    let tile = tile_of(number / slices_of(columns, config.values.slice), blocks);
    let slice = slice_of(number, columns, config.values.slice);
    let start = (first_block + tile) * block;
    if (tile >= blocks || !meets_window(start)) {
        return;
    }
    let list = list_at(start, block, config.lists.first);
    let counts = unpack_counts(scratch[list]);
    // A loop for runs of one entry, because llvmpipe goes through a loop as often as its slowest lane needs; and no more, as
    // every load that is written out in a shader takes it long to compile.
    for (var i = local; i < counts.single; i += WORKGROUP) {
        update_listed(unpack_head(start, scratch[list + 1u + i]), true, slice);
    }
    for (var i = local; i < counts.several + counts.many; i += WORKGROUP) {
        let word = scratch[list + longer_at(i, counts, block)];
        update_listed(unpack_head(start, word), false, slice);
    }
}
