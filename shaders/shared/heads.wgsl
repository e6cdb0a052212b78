// Lists of run heads, one a block of sorted positions.
//
// Runs of one entry, of several, and of CHUNK or more are listed apart. A list has `block` words, the
// first kind from the front on and the second from the back, then those for the third kind, and
// before them a word that tells how many there are of each.

struct HeadLists {
    /// Sorted positions of all tables, and positions per block.
    count: u32,
    block: u32,
    /// First word of the lists.
    first: u32,
    pad0: u32,
}

struct Head {
    /// Where the run starts, and the entries of its first chunk: 1 to CHUNK.
    position: u32,
    entries: u32,
}

struct HeadCounts {
    single: u32,
    several: u32,
    many: u32,
}

/// Bits of a head's entries, of the counts of runs of one and of several.
const ENTRIES_BITS: u32 = 7u;
const SINGLE_BITS: u32 = 13u;
const SEVERAL_BITS: u32 = 12u;

// First word of the list of the block that starts at sorted position `start`. Of runs of CHUNK
// entries or more, at most `block / CHUNK + 1` start in a block.
fn list_at(start: u32, block: u32, lists: u32) -> u32 {
    return lists + start / block * (1u + block + block / CHUNK + 1u);
}

fn pack_head(start: u32, head: Head) -> u32 {
    return ((head.position - start) << ENTRIES_BITS) | head.entries;
}

fn unpack_head(start: u32, word: u32) -> Head {
    return Head(start + (word >> ENTRIES_BITS), word & ((1u << ENTRIES_BITS) - 1u));
}

fn pack_counts(counts: HeadCounts) -> u32 {
    let high = counts.several | (counts.many << SEVERAL_BITS);
    return counts.single | (high << SINGLE_BITS);
}

fn unpack_counts(word: u32) -> HeadCounts {
    let single = word & ((1u << SINGLE_BITS) - 1u);
    let high = word >> SINGLE_BITS;
    return HeadCounts(single, high & ((1u << SEVERAL_BITS) - 1u), high >> SEVERAL_BITS);
}

// The word of a list for a run of several entries or more: first all of several, then all of CHUNK or more.
fn longer_at(number: u32, counts: HeadCounts, block: u32) -> u32 {
    return select(block + 1u + number - counts.several, block - number, number < counts.several);
}
