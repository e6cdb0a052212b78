// How many invocations share a row, or a block of one.
//
// Neighbouring invocations take neighbouring columns. Rows of few columns have fewer invocations, so that none is idle; the
// number is a power of two, and no pipeline's: one kernel does for all dims.

/// Most invocations that share one; a power of two, at most the workgroup's.
override MAX_LANES: u32 = 1u;

fn lanes_of(columns: u32) -> u32 {
    return min(1u << (32u - countLeadingZeros(columns - 1u)), MAX_LANES);
}
