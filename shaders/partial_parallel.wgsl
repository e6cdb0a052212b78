// partial_parallel: sums of the chunks of long runs, one level of the tree per dispatch.
//
// The form for GPUs: an invocation sums a column at a time, with several items on their way.

override WORKGROUP: u32 = 64u;

fn sum_items(chunk: Chunk, column: u32) -> Lane {
    if (OF_ENTRIES) {
        let first = term_at(chunk.start, config.values);
        return sum_terms(first, chunk.start, chunk.items, column, config.values);
    }
    let at = first_below(chunk) + column * LANE_WIDTH;
    return add_sums(load_partial(at), at, sum_words(), chunk.items);
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
    let lanes = lanes_of(config.values.columns);
    let slices = slices_of(config.values.columns, config.values.slice);
    let slice = slice_of(number, config.values.columns, config.values.slice);
    let chunk = chunk_of(number / slices, lanes, local);
    if (chunk.items == 0u) {
        return;
    }
    for (var column = slice.first + local % lanes; column < slice.end; column += lanes) {
        store_sum(chunk, column, sum_items(chunk, column));
    }
}
