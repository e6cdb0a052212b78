// Where a rule's numbers come from, and the sums that it is applied to.
//
// A stage that uses this declares `config: UpdateConfig`, `param`, `state`, `scratch` and `LANES`, and
// has the fragments `runs`, `slices`, `sums`, `heads`, a rule, and those that tell how numbers are stored. The rule
// declares `Rule`, its words; FIELDS, and `update_lane(row, column, sum)`, which loads, computes and stores one lane
// of a row of the window.

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
    pad0: u32,
}

@group(0) @binding(0) var<uniform> config: UpdateConfig;
/// `[rows, columns]` of the window; binding 1 has the rule's words.
@group(0) @binding(2) var<storage, read_write> param: array<ParamStored>;
/// The state of the window's rows.
@group(0) @binding(3) var<storage, read_write> state: array<StateStored>;
@group(0) @binding(4) var<storage, read> scratch: array<u32>;

// Adds the chunks of a run after its first, which no stage summed before.
fn add_chunks(first_chunk: Lane, head: u32, key: u32, column: u32) -> Lane {
    var sum = first_chunk;
    var start = head + CHUNK;
    for (var chunk = 1u; chunk < CHUNK; chunk++) {
        if (start >= config.keys.end || key_at(start) != key) {
            break;
        }
        let entries = items_in_run(start, 1u, config.keys.end, key);
        let first = term_at(start, config.values);
        sum = add(sum, sum_terms(first, start, entries, column, config.values));
        start += CHUNK;
    }
    return sum;
}

// Adds the chunks of a run after its first: of each level, those of the level's first group.
fn add_partials(first_chunk: Lane, head: u32, key: u32, column: u32) -> Lane {
    var sum = first_chunk;
    var stride = CHUNK;
    let width = config.values.columns * LANE_WIDTH;
    for (var level = 0u; level < config.levels; level++) {
        let items = items_in_run(head, stride, config.keys.end, key);
        let slot = (head - config.keys.first) / stride;
        let at = config.sums[level] + slot * width + column * LANE_WIDTH;
        for (var i = 1u; i < items; i++) {
            sum = add(sum, load_partial(at + i * width));
        }
        if (items < CHUNK) {
            break;
        }
        stride *= CHUNK;
    }
    return sum;
}

// Updates a slice of the row of the run at `head`, which has `entries` entries, at most CHUNK.
fn update_row(head: u32, entries: u32, slice: Slice, lane: u32) {
    begin_row();
    let row = key_at(head) - config.window_key;
    let first = term_at(head, config.values);
    for (var column = slice.first + lane; column < slice.end; column += LANES) {
        update_lane(row, column, sum_terms(first, head, entries, column, config.values));
    }
}

// Updates a slice of the row of the run at `head`, which has CHUNK entries or more.
fn update_row_of_many(head: u32, slice: Slice, lane: u32) {
    begin_row();
    let key = key_at(head);
    let first = term_at(head, config.values);
    for (var column = slice.first + lane; column < slice.end; column += LANES) {
        let first_chunk = sum_terms(first, head, CHUNK, column, config.values);
        if (config.levels == 0u) {
            update_lane(key - config.window_key, column, add_chunks(first_chunk, head, key, column));
        } else {
            update_lane(key - config.window_key, column, add_partials(first_chunk, head, key, column));
        }
    }
}
