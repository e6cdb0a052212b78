// Adding up value rows and partial sums one by one: for CPU adapters.
//
// A stage that uses this has the fragments `sums` and `partial_*`. Those of `add_in_flight` give the same.

// The sum of `entries` value rows from sorted position `start` on, one after another. `first` is
// the term at `start`.
fn sum_terms(first: Term, start: u32, entries: u32, column: u32, values_at: ValueLayout) -> Lane {
    var sum = value_of(first, column, values_at);
    for (var i = 1u; i < entries; i++) {
        sum = add(sum, value_of(term_at(start + i, values_at), column, values_at));
    }
    return sum;
}

// Adds the partial sums 1 to `items` - 1 of those that lie `width` words apart, the first at word `at`.
fn add_sums(first: Lane, at: u32, width: u32, items: u32) -> Lane {
    var sum = first;
    for (var i = 1u; i < items; i++) {
        sum = add(sum, load_partial(at + i * width));
    }
    return sum;
}
