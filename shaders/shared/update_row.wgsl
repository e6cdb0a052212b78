// Where a rule's numbers come from, and the sums that it is applied to.
//
// A stage that uses this declares `config: UpdateConfig`, `param`, `state`, `scratch` and `LANES`, and
// has the fragments `runs`, `slices`, `sums`, `run_sums`, `heads`, a rule, and those that tell how numbers are stored. The
// rule declares `Rule`, its words; FIELDS; MEAN; ROW_NUMBERS; `Shared`, what the columns of a row have in common, and
// `shared_of(head, entries)`, which reads it; and `update_lane(row, column, sum, of_row)`, which loads, computes and stores
// one lane of a row of the window.

struct UpdateConfig {
    /// Where the sums of each level of partial lie, in words.
    sums: vec4<u32>,
    keys: Keys,
    values: ValueLayout,
    lists: HeadLists,
    /// The key of the window's first row, and its rows.
    window_key: u32,
    window_rows: u32,
    /// Levels of partial that were run; 0 where no run can be longer than CHUNK, or where the
    /// chunks of those that are are summed here.
    levels: u32,
    /// 1: only the first entry of a run counts.
    first_wins: u32,
    /// 1: the caller promised that no row is named twice, and the positions are not sorted.
    unique: u32,
    /// 0, which no compiler knows (fragment `exact`).
    zero: u32,
    /// What entries are clipped to, where they are.
    limit: f32,
    /// First word of the numbers `[positions, ROW_NUMBERS]` that `rows` has written.
    numbers: u32,
}

@group(0) @binding(0) var<uniform> config: UpdateConfig;
/// `[rows, columns]` of the window; binding 1 has the rule's words.
@group(0) @binding(2) var<storage, read_write> param: array<ParamStored>;
/// The state of the window's rows.
@group(0) @binding(3) var<storage, read_write> state: array<StateStored>;
@group(0) @binding(4) var<storage, read> scratch: array<u32>;

// One of the numbers that the columns of the row of the run at `head` share.
fn row_number(head: u32, number: u32) -> f32 {
    return bitcast<f32>(scratch[config.numbers + (head - config.keys.first) * ROW_NUMBERS + number]);
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
