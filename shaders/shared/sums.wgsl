// Summing the value rows of a run.
//
// A stage that uses this has the fragment `runs` and `load_value`. A run's sum is a tree of fan-in
// CHUNK counted from the run's first entry: CHUNK entries are added one after another, then
// CHUNK such sums, and so on.

/// Whether entries have weights. Word 2p + 1 is then an entry, and its source, a value row and
/// the bits of a weight, lies in the table's sources.
override WEIGHTED: bool = false;

/// Columns that an invocation sums at once, at most MOST_AT_ONCE, so that the value row of an
/// entry is looked up once for all.
override AT_ONCE: u32 = 1u;

const MOST_AT_ONCE: u32 = 8u;

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

/// What an entry adds: a value row times a weight.
struct Term {
    value_row: u32,
    weight: f32,
}

fn term_at(position: u32, source: Source) -> Term {
    let payload = scratch[2u * position + 1u];
    if (WEIGHTED) {
        let at = source.sources + 2u * payload;
        return Term(scratch[at], bitcast<f32>(scratch[at + 1u]));
    }
    return Term(payload, 1f);
}

fn value_of(term: Term, column: u32, source: Source) -> Lane {
    let value = load_value(term.value_row, column, source.columns, source.rows_a_window);
    if (WEIGHTED) {
        return term.weight * value;
    }
    return value;
}

// The sum of `entries` value rows from sorted position `start` on, one after another. `first` is
// the term at `start`.
fn sum_terms(first: Term, start: u32, entries: u32, column: u32, source: Source) -> Lane {
    var sum = value_of(first, column, source);
    for (var i = 1u; i < entries; i++) {
        sum += value_of(term_at(start + i, source), column, source);
    }
    return sum;
}

// The sums of `entries` value rows from sorted position `start` on, one after another, in the
// columns `column`, `column + pitch`, ...: AT_ONCE of them. What lies past the last column is
// not meant.
fn sum_at_once(
    start: u32,
    entries: u32,
    column: u32,
    pitch: u32,
    source: Source,
) -> array<Lane, MOST_AT_ONCE> {
    var sums: array<Lane, MOST_AT_ONCE>;
    let last = source.columns - 1u;
    let first = term_at(start, source);
    for (var k = 0u; k < AT_ONCE; k++) {
        sums[k] = value_of(first, min(column + k * pitch, last), source);
    }
    for (var i = 1u; i < entries; i++) {
        let term = term_at(start + i, source);
        for (var k = 0u; k < AT_ONCE; k++) {
            sums[k] += value_of(term, min(column + k * pitch, last), source);
        }
    }
    return sums;
}

// The partial sum whose first word is `at`.
fn load_partial(at: u32) -> Lane {
    var words: array<u32, LANE_WIDTH>;
    for (var i = 0u; i < LANE_WIDTH; i++) {
        words[i] = scratch[at + i];
    }
    return lane_of(words);
}
