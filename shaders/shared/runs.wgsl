// Reading the sorted pairs and what shares their buffer.
//
// A stage that uses these declares `scratch: array<u32>` and has `load_value`. Word 2p of
// `scratch` is the key of sorted position p, word 2p + 1 its value row. A run is a stretch of
// equal keys. Its sum is a tree of fan-in CHUNK counted from the run's first entry: CHUNK
// entries are added one after another, then CHUNK such sums, and so on.

const CHUNK: u32 = 64u;

/// Whether entries have weights. Word 2p + 1 is then an entry, and its source, a value row and
/// the bits of a weight, lies in the table's sources.
override WEIGHTED: bool = false;

/// Where a table's values are.
struct Source {
    /// Lanes of a row.
    columns: u32,
    /// Rows of a window of values.
    rows_a_window: u32,
    /// First word of the table's sources.
    sources: u32,
    pad0: u32,
}

fn key_at(position: u32) -> u32 {
    return scratch[2u * position];
}

// How many of the CHUNK items at `start`, `start + stride`, ... lie in the run of `key`.
fn items_in_run(start: u32, stride: u32, end: u32, key: u32) -> u32 {
    var items = 1u;
    for (; items < CHUNK; items++) {
        let position = start + items * stride;
        if (position >= end || key_at(position) != key) {
            break;
        }
    }
    return items;
}

fn value_at(position: u32, column: u32, source: Source) -> Lane {
    let payload = scratch[2u * position + 1u];
    if (WEIGHTED) {
        let at = source.sources + 2u * payload;
        let weight = bitcast<f32>(scratch[at + 1u]);
        return weight * load_value(scratch[at], column, source.columns, source.rows_a_window);
    }
    return load_value(payload, column, source.columns, source.rows_a_window);
}

// The sum of `entries` value rows from sorted position `start` on, one after another.
fn sum_entries(start: u32, entries: u32, column: u32, source: Source) -> Lane {
    var sum = value_at(start, column, source);
    for (var i = 1u; i < entries; i++) {
        sum += value_at(start + i, column, source);
    }
    return sum;
}

// The partial sum whose first word is `at`.
fn load_partial(at: u32) -> Lane {
    var words: array<u32, LANE_WIDTH>;
    for (var i = 0u; i < LANE_WIDTH; i++) {
        words[i] = scratch[at + i];
    }
    return lane_of(words);
}
