// Reading one number of each cache line of a row before the row is worked on, so that its
// misses overlap: a CPU adapter comes to the next line only many instructions later. Of rows shorter than a line none: there is
// little to overlap.
//
// A stage that uses this has the fragment `update_row`, and `first_of_one` or `first_of_several`.

/// f32 of a line of 64 bytes, in lanes.
const LINE: u32 = 16u / LANE_WIDTH;

fn touch(row: u32, value_row: u32, slice: Slice) {
    let columns = config.values.columns;
    let end = select(slice.end, slice.first, columns < LINE);
    var touched = Number();
    for (var column = slice.first; column < end; column += LINE) {
        touched += first_of_value(value_row * columns + column);
        touched += first_of_param(row * columns + column);
        // Written out, because a loop's turns count; the first two fields do.
        touched += first_of_state(state_at(row, 0u, column));
        if (FIELDS > 1u) {
            touched += first_of_state(state_at(row, 1u, column));
        }
    }
    // Never: a table that is updated has an end. But no compiler knows, so it must read.
    if (config.keys.end == 0u) {
        set_first_of_param(0u, touched);
    }
}
