// The sums of runs, also of those of CHUNK entries or more.
//
// A stage that uses this declares `scratch` and a `config` with `sums`, `keys`, `values` and `levels`, and has the
// fragments `runs` and `sums`.

// The sum of a run: of its first chunk, of which `items` entries count from position `head` on, the first of them `first`; and of
// the next ones, of which there are less than `chunks`. Entries are loaded in one place: drivers for CPUs write a load out
// for each lane, and take long to compile many.
fn sum_run(first: Term, head: u32, key: u32, items: u32, chunks: u32, column: u32) -> Lane {
    var sum = splat(0f);
    var term = first;
    var start = head;
    var entries = items;
    for (var chunk = 0u; chunk < chunks; chunk++) {
        if (chunk > 0u) {
            start += CHUNK;
            if (start >= config.keys.end || key_at(start) != key) {
                break;
            }
            entries = items_in_run(start, 1u, config.keys.end, key);
            term = term_at(start, config.values);
        }
        let of_chunk = sum_terms(term, start, entries, column, config.values);
        sum = either(add(sum, of_chunk), of_chunk, chunk == 0u);
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
