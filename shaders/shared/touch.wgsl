// Reading one number of each cache line of a row before the row is worked on, so that its
// misses overlap: a CPU adapter comes to the next line only many instructions later.
//
// A stage that uses this has the fragment `update_row`.

/// f32 of a line of 64 bytes, in lanes.
const LINE: u32 = 16u / LANE_WIDTH;

fn touch(row: u32, value_row: u32, slice: Slice) {
    let columns = config.values.columns;
    var touched = value_word(value_row * columns + slice.first).x;
    for (var column = slice.first; column < slice.end; column += LINE) {
        touched += value_word(value_row * columns + column).x;
        touched += param_word(row * columns + column).x;
        // Written out, because a loop's turns count; the first two fields do.
        touched += state_word(state_at(row, 0u, column)).x;
        if (FIELDS > 1u) {
            touched += state_word(state_at(row, 1u, column)).x;
        }
    }
    // Never: a table that is updated has an end. But no compiler knows, so it must read.
    if (config.keys.end == 0u) {
        var word = param_word(0u);
        word.x = touched;
        set_param_word(0u, word);
    }
}
