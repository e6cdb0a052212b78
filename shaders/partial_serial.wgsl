// partial_serial: sums of the chunks of long runs, one level of the tree per dispatch.
//
// The form for CPU adapters: an invocation sums several columns at a time.

override WORKGROUP: u32 = 64u;

/// Columns that an invocation sums at once, at most MOST_AT_ONCE, so that the value row of an
/// entry is looked up once for all; 1 for sums of sums.
override AT_ONCE: u32 = 1u;

const MOST_AT_ONCE: u32 = 8u;

// -0, which leaves every number as it is that is added to it. No compiler knows it.
fn nothing() -> Lane {
    return splat(bitcast<f32>(0x80000000u ^ config.zero));
}

// The sums of a chunk's value rows, one after another, in the columns from `column` on: AT_ONCE of
// them. What lies past the last column is not meant. A value is loaded in one place: drivers write a load out for
// each lane, and take seconds to compile many.
fn sum_at_once(chunk: Chunk, column: u32) -> array<Lane, MOST_AT_ONCE> {
    var sums: array<Lane, MOST_AT_ONCE>;
    for (var k = 0u; k < AT_ONCE; k++) {
        sums[k] = nothing();
    }
    // Rows of a run ascend where a gradient's values are its own, so the windows are gone through once; else as often as it takes.
    for (var i = 0u; i < chunk.items;) {
        i = add_stretch(0u, chunk, i, column, &sums);
        if (VALUE_WINDOWS > 1u) {
            i = add_stretch(1u, chunk, i, column, &sums);
            i = add_stretch(2u, chunk, i, column, &sums);
            i = add_stretch(3u, chunk, i, column, &sums);
            i = add_stretch(4u, chunk, i, column, &sums);
        }
    }
    return sums;
}

// Adds the items from `first` on whose values are in a window, a constant: so each is loaded without a look at the others. Where
// the next one's are not.
fn add_stretch(
    window: u32,
    chunk: Chunk,
    first: u32,
    column: u32,
    sums: ptr<function, array<Lane, MOST_AT_ONCE>>,
) -> u32 {
    let last = config.values.columns - 1u;
    var i = first;
    for (; i < chunk.items; i++) {
        let term = term_at(chunk.start + i, config.values);
        let found = locate(term.value_row, config.values.rows_per_window);
        if (found.window != window) {
            break;
        }
        let place = ValuePlace(window, found.row);
        for (var k = 0u; k < AT_ONCE; k++) {
            let value = value_at(place, term, min(column + k, last), config.values);
            (*sums)[k] = add((*sums)[k], value);
        }
    }
    return i;
}

// The sum of a chunk's sums of the level below, in one column.
fn sum_sums(chunk: Chunk, column: u32) -> array<Lane, MOST_AT_ONCE> {
    var sums: array<Lane, MOST_AT_ONCE>;
    let at = first_below(chunk) + column * LANE_WIDTH;
    sums[0] = add_sums(load_partial(at), at, sum_words(), chunk.items);
    return sums;
}

fn sum_items(chunk: Chunk, column: u32) -> array<Lane, MOST_AT_ONCE> {
    if (OF_ENTRIES) {
        return sum_at_once(chunk, column);
    }
    return sum_sums(chunk, column);
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
    let slices = slices_of(config.values.columns, config.values.slice);
    let slice = slice_of(number, config.values.columns, config.values.slice);
    let chunk = chunk_of(number / slices, 1u, local);
    if (chunk.items == 0u) {
        return;
    }
    for (var first = slice.first; first < slice.end; first += AT_ONCE) {
        var sums = sum_items(chunk, first);
        for (var k = 0u; k < AT_ONCE; k++) {
            let column = first + k;
            if (column < slice.end) {
                store_sum(chunk, column, sums[k]);
            }
        }
    }
}
