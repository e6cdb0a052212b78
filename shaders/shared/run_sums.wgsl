// The sums of runs of CHUNK entries or more: what is added to their first chunk.
//
// A stage that uses this declares `scratch` and a `config` with `sums`, `keys`, `values` and `levels`, and has the
// fragments `runs` and `sums`.

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
        sum = add_sums(sum, at, width, items);
        if (items < CHUNK) {
            break;
        }
        stride *= CHUNK;
    }
    return sum;
}

// Entries of the run at `head`, which has CHUNK or more.
fn run_length(head: u32, key: u32) -> u32 {
    var length = CHUNK;
    var step = 1u << 29u;
    for (; step > 0u; step >>= 1u) {
        let last = head + length + step - 1u;
        if (last < config.keys.end && key_at(last) == key) {
            length += step;
        }
    }
    return length;
}
