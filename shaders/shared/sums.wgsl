// Summing the value rows of a run.
//
// A stage that uses this has the fragment `runs` and `load_value`. A run's sum is a tree of fan-in
// CHUNK counted from the run's first entry: CHUNK entries are added one after another, then
// CHUNK such sums, and so on.

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
