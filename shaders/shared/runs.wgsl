// Reading the sorted pairs.
//
// A stage that uses this declares `scratch: array<u32>`. Word 2p of it is the key of sorted
// position p, word 2p + 1 its value row. A run is a stretch of equal keys.

const CHUNK: u32 = 64u;

fn key_at(position: u32) -> u32 {
    return scratch[2u * position];
}

/// Where a table is among the pairs, and which keys are its.
struct Keys {
    /// Its positions are [first, end).
    first: u32,
    end: u32,
    /// Its keys are [base, sentinel]; the last is that of entries that name no row.
    base: u32,
    sentinel: u32,
}
