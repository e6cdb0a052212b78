// What an update binds, and where a rule's numbers come from.
//
// A stage that uses this has the fragments `runs`, `slices`, `sums`, `run_sums`, `heads`, a rule, and those that tell how
// numbers are stored. The rule declares `Rule`, its words; FIELDS; MEAN; ROW_NUMBERS; `Shared`, what the columns of a row have in common, and
// `shared_of(head, entries)`, which reads it; `Held`, what a lane of a row of the window has, and `load_held(row, column)`, which loads
// it; and `update_lane(row, column, held, sum, of_row)`, which computes and stores it.

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

@group(0) @binding(4) var<storage, read> scratch: array<u32>;

// One of the numbers that the columns of the row of the run at `head` share.
fn row_number(head: u32, number: u32) -> f32 {
    return bitcast<f32>(scratch[config.numbers + (head - config.keys.first) * ROW_NUMBERS + number]);
}
