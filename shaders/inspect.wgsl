// inspect: counts entries whose value row holds an infinity or a NaN, and may refuse them.
//
// One invocation per entry, after ingest and before the sort. Runs only where asked for.

override WORKGROUP: u32 = 64u;

struct InspectConfig {
    entries: EntriesConfig,
    /// Lanes per row, and rows per window of values.
    columns: u32,
    rows_per_window: u32,
    /// 1: an entry that is not finite is refused too.
    skip: u32,
    pad0: u32,
}

@group(0) @binding(0) var<uniform> config: InspectConfig;
@group(0) @binding(1) var<storage, read_write> pairs: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read_write> value_map: array<u32>;
@group(0) @binding(3) var<storage, read_write> status: Status;

// Whether a lane of a value row is finite; the last one stands for those past the row's end.
fn lane_is_finite(row: u32, column: u32) -> bool {
    let at = min(column, config.columns - 1u);
    return is_finite(load_at(locate(row, config.rows_per_window), at, config.columns));
}

fn row_is_finite(row: u32) -> bool {
    // Four columns per turn: the turns of an invocation are few (`src/step/turns.rs`).
    for (var column = 0u; column < config.columns; column += 4u) {
        let first = lane_is_finite(row, column) && lane_is_finite(row, column + 1u);
        if (!first || !lane_is_finite(row, column + 2u) || !lane_is_finite(row, column + 3u)) {
            return false;
        }
    }
    return true;
}

fn inspect_entry(entry: u32) {
    let entries = config.entries;
    if (entry >= entries.capacity) {
        return;
    }
    let at = entries.first + entry;
    let pair = pairs[at];
    if (pair.x == entries.sentinel) {
        return;
    }
    var value_row = pair.y;
    if (entries.weighted == 1u) {
        value_row = entries.value_base + entry;
        if (entries.value_origin == VALUES_BY_MAP) {
            value_row = entries.value_base + value_map[entry];
        }
    }
    if (row_is_finite(value_row)) {
        return;
    }
    count_one(NON_FINITE);
    if (config.skip == 1u) {
        pairs[at].x = entries.sentinel;
    }
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    begin_counting(local);
    inspect_entry(linear_workgroup(workgroup, grid) * WORKGROUP + local);
    end_counting(local);
}
