// Reading the sorted pairs and the partial sums, which share one buffer.
//
// A stage that uses these declares `scratch: array<u32>` and `values: array<Lane>`.
// Word 2p of `scratch` is the key of sorted position p, word 2p + 1 its value row. A run is
// a stretch of equal keys. Its sum is a tree of fan-in CHUNK counted from the run's first
// entry: CHUNK entries are added one after another, then CHUNK such sums, and so on.

const CHUNK: u32 = 64u;

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

fn value_at(position: u32, columns: u32, column: u32) -> Lane {
    return values[scratch[2u * position + 1u] * columns + column];
}

// The sum of `entries` value rows from sorted position `start` on, one after another.
fn sum_entries(start: u32, entries: u32, columns: u32, column: u32) -> Lane {
    var sum = value_at(start, columns, column);
    for (var i = 1u; i < entries; i++) {
        sum += value_at(start + i, columns, column);
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
