// flush: brings the values of rows that are behind up to the steps counted.
//
// One invocation per strip of a row's values. `flush_rows`, which comes after it, writes down that they are.

override WORKGROUP: u32 = 64u;

/// `[rows, columns]` of the window.
@group(0) @binding(3) var<storage, read_write> param: array<ParamStored>;
/// The state of the window's rows.
@group(0) @binding(4) var<storage, read_write> state: array<StateStored>;

fn state_word(at: u32) -> StateStored {
    return state[at];
}

fn set_state_word(at: u32, word: StateStored) {
    state[at] = word;
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let number = linear_workgroup(workgroup, grid) * WORKGROUP + local;
    let columns = config.values.columns;
    let strip = config.values.strip;
    let strips = (columns + strip - 1u) / strip;
    let row = number / strips;
    if (row >= config.rows) {
        return;
    }
    let last = load_row(row, ROW_PREV_ITER);
    // What owes nothing stays as it is, whatever it is.
    if (last == 0u || last >= row_rule.step) {
        return;
    }
    let behind = behind_since(last);
    let first = number % strips * strip;
    for (var column = first; column < min(first + strip, columns); column++) {
        catch_up_value(row, column, behind);
    }
}
