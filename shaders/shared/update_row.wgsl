// Applying Adam to one row, in place.
//
// A stage that uses this declares `config: UpdateConfig`, `param`, `moments`, `scratch` and
// `LANES`, and has the fragments `runs`, `slices` and `adam`.

struct UpdateConfig {
    hyper: AdamHyper,
    /// Where the sums of each level of partial lie, in words.
    sums: vec4<u32>,
    /// The table's sorted positions are [first, end).
    first: u32,
    end: u32,
    /// The key of the window's first row, and its rows.
    window_key: u32,
    window_rows: u32,
    /// Levels of partial that were run; 0 where no run can be longer than CHUNK, or where the
    /// chunks of those that are are summed here.
    levels: u32,
    /// 1: the gradient is negated.
    maximize: u32,
    /// 1: the caller promised that no row is named twice, and the positions are not sorted.
    unique: u32,
    /// 1: only the first entry of a run counts.
    once: u32,
    source: Source,
    /// Sorted positions a list of heads, and first word of the lists.
    block: u32,
    lists: u32,
    /// Columns that a workgroup takes.
    slice: u32,
    pad0: u32,
}

// Adds the chunks of a run after its first, which no stage summed before.
fn add_chunks(first_chunk: Lane, head: u32, key: u32, column: u32) -> Lane {
    var sum = first_chunk;
    var start = head + CHUNK;
    for (var chunk = 1u; chunk < CHUNK; chunk++) {
        if (start >= config.end || key_at(start) != key) {
            break;
        }
        let entries = items_in_run(start, 1u, config.end, key);
        sum += sum_terms(term_at(start, config.source), start, entries, column, config.source);
        start += CHUNK;
    }
    return sum;
}

// Adds the chunks of a run after its first: of each level, those of the level's first group.
fn add_partials(first_chunk: Lane, head: u32, key: u32, column: u32) -> Lane {
    var sum = first_chunk;
    var stride = CHUNK;
    let width = config.source.columns * LANE_WIDTH;
    for (var level = 0u; level < config.levels; level++) {
        let items = items_in_run(head, stride, config.end, key);
        let slot = (head - config.first) / stride;
        let at = config.sums[level] + slot * width + column * LANE_WIDTH;
        for (var i = 1u; i < items; i++) {
            sum += load_partial(at + i * width);
        }
        if (items < CHUNK) {
            break;
        }
        stride *= CHUNK;
    }
    return sum;
}

// Applies the summed gradient to one lane of a row of the window.
fn apply(row: u32, column: u32, sum: Lane) {
    var grad = sum;
    if (config.maximize == 1u) {
        grad = negate(grad);
    }
    let columns = config.source.columns;
    let at = row * columns + column;
    let m_at = 2u * row * columns + column;
    let v_at = m_at + columns;
    let exp_avg = unpack(moments[m_at]);
    let exp_avg_sq = unpack(moments[v_at]);
    let updated = adam(config.hyper, unpack(param[at]), exp_avg, exp_avg_sq, grad);
    param[at] = pack(updated.param);
    moments[m_at] = pack(updated.exp_avg);
    moments[v_at] = pack(updated.exp_avg_sq);
}

// Updates a slice of the row of the run at `head`, which has `entries` entries, at most CHUNK.
fn update_row(head: u32, entries: u32, slice: Slice, lane: u32) {
    let row = key_at(head) - config.window_key;
    let first = term_at(head, config.source);
    for (var column = slice.first + lane; column < slice.end; column += LANES) {
        apply(row, column, sum_terms(first, head, entries, column, config.source));
    }
}

// Updates a slice of the row of the run at `head`, which has CHUNK entries or more.
fn update_row_of_many(head: u32, slice: Slice, lane: u32) {
    let key = key_at(head);
    let first = term_at(head, config.source);
    for (var column = slice.first + lane; column < slice.end; column += LANES) {
        let first_chunk = sum_terms(first, head, CHUNK, column, config.source);
        if (config.levels == 0u) {
            apply(key - config.window_key, column, add_chunks(first_chunk, head, key, column));
        } else {
            apply(key - config.window_key, column, add_partials(first_chunk, head, key, column));
        }
    }
}
