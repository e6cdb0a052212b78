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
    let last = config.values.columns - 1u;
    for (var k = 0u; k < AT_ONCE; k++) {
        sums[k] = nothing();
    }
    for (var i = 0u; i < chunk.items; i++) {
        let term = term_at(chunk.start + i, config.values);
        for (var k = 0u; k < AT_ONCE; k++) {
            let value = value_of(term, min(column + k, last), config.values);
            sums[k] = add(sums[k], value);
        }
    }
    return sums;
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
    let number = linear_workgroup(workgroup, grid);
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
