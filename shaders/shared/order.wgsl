// Of pairs that are in order already, as those of a gradient that was coalesced are, there is nothing to sort.
//
// The first pass finds out whether they are: its histogram tile by tile, its scan from these. A stage that uses this has the
// fragment `sort`, and declares `histogram`.

/// The first pass, whose pairs are where the last one leaves them; the first one, whose pairs are elsewhere; or a later one.
const FIRST: u32 = 0u;
const FIRST_AND_MOVES: u32 = 1u;
const LATER: u32 = 2u;

// Whether the pairs are in order, from the first scatter on.
fn in_order(sort: SortConfig) -> bool {
    return histogram[sort.order + sort.tiles] == 0u;
}

// Whether a later pass has nothing to do.
fn is_over(sort: SortConfig) -> bool {
    return sort.pass_kind == LATER && in_order(sort);
}
