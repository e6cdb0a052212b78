// Adding up value rows and partial sums with four loads on their way at once, each one added after the one before: for
// GPUs, where a load takes as long as some hundred additions. Written out, because loops that naga bounds are not
// unrolled.
//
// A stage that uses this has the fragments `sums` and `partial_*`. Those of `add_one_by_one` give the same.

// The sum of `entries` value rows from sorted position `start` on, one after another. `first` is
// the term at `start`. What is loaded past the last is the last once more, and is not added.
fn sum_terms(first: Term, start: u32, entries: u32, column: u32, values_at: ValueLayout) -> Lane {
    var sum = value_of(first, column, values_at);
    let end = start + entries;
    for (var i = start + 1u; i < end; i += 4u) {
        let term0 = term_at(i, values_at);
        let term1 = term_at(min(i + 1u, end - 1u), values_at);
        let term2 = term_at(min(i + 2u, end - 1u), values_at);
        let term3 = term_at(min(i + 3u, end - 1u), values_at);
        let value0 = value_of(term0, column, values_at);
        let value1 = value_of(term1, column, values_at);
        let value2 = value_of(term2, column, values_at);
        let value3 = value_of(term3, column, values_at);
        sum = add(sum, value0);
        sum = either(sum, add(sum, value1), i + 1u < end);
        sum = either(sum, add(sum, value2), i + 2u < end);
        sum = either(sum, add(sum, value3), i + 3u < end);
    }
    return sum;
}

// Adds the partial sums 1 to `items` - 1 of those that lie `width` words apart, the first at word `at`.
fn add_sums(first: Lane, at: u32, width: u32, items: u32) -> Lane {
    var sum = first;
    for (var i = 1u; i < items; i += 4u) {
        let sum0 = load_partial(at + i * width);
        let sum1 = load_partial(at + min(i + 1u, items - 1u) * width);
        let sum2 = load_partial(at + min(i + 2u, items - 1u) * width);
        let sum3 = load_partial(at + min(i + 3u, items - 1u) * width);
        sum = add(sum, sum0);
        sum = either(sum, add(sum, sum1), i + 1u < items);
        sum = either(sum, add(sum, sum2), i + 2u < items);
        sum = either(sum, add(sum, sum3), i + 3u < items);
    }
    return sum;
}
