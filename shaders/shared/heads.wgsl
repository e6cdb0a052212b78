// Lists of run heads, one a block of sorted positions.
//
// A list has `block` + 1 words. The first tells how many runs of fewer than CHUNK entries there
// are (lower half) and how many of more (upper half); the former are listed from the second word
// on, the latter from the last word back.

struct Head {
    /// Where the run starts, and the entries of its first chunk: 1 to CHUNK.
    position: u32,
    entries: u32,
}

const ENTRIES_BITS: u32 = 7u;

// First word of the list of the block that starts at sorted position `start`.
fn list_at(start: u32, block: u32, lists: u32) -> u32 {
    return lists + start + start / block;
}

fn pack_head(start: u32, head: Head) -> u32 {
    return ((head.position - start) << ENTRIES_BITS) | head.entries;
}

fn unpack_head(start: u32, word: u32) -> Head {
    return Head(start + (word >> ENTRIES_BITS), word & ((1u << ENTRIES_BITS) - 1u));
}
