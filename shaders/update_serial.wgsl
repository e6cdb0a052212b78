// update_serial: sums the value rows of each run and applies a rule to the row it names, in place.
//
// The form for CPU adapters: one invocation a row, no barrier. A workgroup owns a block of
// sorted positions, whose run heads `heads` has listed, so that no lane of SIMD is idle, and a
// slice of their columns.

override WORKGROUP: u32 = 8u;

const LANES: u32 = 1u;

// Whether the block at `start` may hold rows of the window: sorted keys tell by its ends.
fn meets_window(start: u32) -> bool {
    let lowest = key_at(max(start, config.keys.first));
    let highest = key_at(min(start + config.lists.block, config.keys.end) - 1u);
    let window_end = config.window_key + config.window_rows;
    return lowest < window_end && highest >= config.window_key;
}

// Updates a slice of the row of the run at `head`, which has `entries` entries, at most CHUNK.
fn update_row(head: u32, entries: u32, slice: Slice, lane: u32) {
    begin_row();
    let row = key_at(head) - config.window_key;
    let first = term_at(head, config.values);
    let of_row = shared_of(head, entries);
    for (var column = slice.first + lane; column < slice.end; column += LANES) {
        let sum = sum_terms(first, head, entries, column, config.values);
        update_lane(row, column, sum, of_row);
    }
}

// Updates a slice of the row of the run at `head`, which has CHUNK entries or more.
fn update_row_of_many(head: u32, slice: Slice, lane: u32) {
    begin_row();
    let key = key_at(head);
    let first = term_at(head, config.values);
    var entries = CHUNK;
    if (MEAN) {
        entries = run_length(head, key);
    }
    let of_row = shared_of(head, entries);
    for (var column = slice.first + lane; column < slice.end; column += LANES) {
        let first_chunk = sum_terms(first, head, CHUNK, column, config.values);
        if (config.levels == 0u) {
            let sum = add_chunks(first_chunk, head, key, column);
            update_lane(key - config.window_key, column, sum, of_row);
        } else {
            let sum = add_partials(first_chunk, head, key, column);
            update_lane(key - config.window_key, column, sum, of_row);
        }
    }
}

// Updates the row of a head, if it is in the window and so in the table: keys are the table's
// alone. `kind` is a constant.
fn update_listed(head: Head, kind: u32, slice: Slice) {
    let row = key_at(head.position) - config.window_key;
    if (row >= config.window_rows) {
        return;
    }
    touch(row, term_at(head.position, config.values).value_row, slice);
    if (kind == SINGLE) {
        update_row(head.position, 1u, slice, 0u);
    } else if (kind == SEVERAL) {
        update_row(head.position, select(head.entries, 1u, config.first_wins == 1u), slice, 0u);
    } else if (config.first_wins == 1u) {
        update_row(head.position, 1u, slice, 0u);
    } else {
        update_row_of_many(head.position, slice, 0u);
    }
}

const SINGLE: u32 = 0u;
const SEVERAL: u32 = 1u;
const MANY: u32 = 2u;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let in_all = linear_workgroup(workgroup, grid);
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
    // A loop for each kind, because llvmpipe runs through a branch even where no lane takes it,
    // and through a loop as often as its slowest lane needs.
    for (var i = local; i < counts.single; i += WORKGROUP) {
        update_listed(unpack_head(start, scratch[list + 1u + i]), SINGLE, slice);
    }
    for (var i = local; i < counts.several; i += WORKGROUP) {
        update_listed(unpack_head(start, scratch[list + block - i]), SEVERAL, slice);
    }
    for (var i = local; i < counts.many; i += WORKGROUP) {
        update_listed(unpack_head(start, scratch[list + block + 1u + i]), MANY, slice);
    }
}
