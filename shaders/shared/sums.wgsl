// Summing the value rows of a run.
//
// A stage that uses this has the fragment `runs` and `load_value`. A run's sum is a tree of fan-in
// CHUNK counted from the run's first entry: CHUNK entries are added one after another, then
// CHUNK such sums, and so on.

/// Whether entries have weights. Word 2p + 1 is then an entry, and its term, a value row and
/// the bits of a weight, lies among the table's terms.
override WEIGHTED: bool = false;

/// Whether each value of an entry is brought into [-config.limit, config.limit], before its weight.
override LIMITED: bool = false;

/// Where a table's values are, and how its rows are dealt out.
struct ValueLayout {
    /// Lanes per row.
    columns: u32,
    /// Rows per window of values.
    rows_per_window: u32,
    /// First word of the table's terms.
    terms: u32,
    /// Columns that a workgroup takes.
    slice: u32,
}

/// What an entry adds: a value row times a weight.
struct Term {
    value_row: u32,
    weight: f32,
}

fn term_at(position: u32, values_at: ValueLayout) -> Term {
    let payload = scratch[2u * position + 1u];
    if (WEIGHTED) {
        let at = values_at.terms + 2u * payload;
        return Term(scratch[at], bitcast<f32>(scratch[at + 1u]));
    }
    return Term(payload, 1f);
}

fn value_of(term: Term, column: u32, values_at: ValueLayout) -> Lane {
    return value_at(locate(term.value_row, values_at.rows_per_window), term, column, values_at);
}

// As `value_of`, of a term whose value row lies there.
fn value_at(place: ValuePlace, term: Term, column: u32, values_at: ValueLayout) -> Lane {
    var value = load_at(place, column, values_at.columns);
    if (LIMITED) {
        value = limited(value, config.limit);
    }
    if (WEIGHTED) {
        return scale(value, term.weight);
    }
    return value;
}
