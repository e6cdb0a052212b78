// A segment of a table's entries: one gradient's, as the caller gave them.

struct EntriesConfig {
    /// Where the segment's pairs start, and how many there are: its capacity.
    first: u32,
    capacity: u32,
    /// The table's first key, and its sentinel key.
    key_base: u32,
    sentinel: u32,
    /// 0: u32; 1: i32; 2: i64, as two words, low word first.
    index_format: u32,
    /// Sparse axes (1 to 3) and their sizes; `indices` is `[axes, capacity]`.
    axes: u32,
    axis_size_0: u32,
    axis_size_1: u32,
    axis_size_2: u32,
    /// Where an entry's values are: see VALUES_BY_*.
    value_origin: u32,
    /// The segment's rows of values: the first of them, and how many.
    value_base: u32,
    value_rows: u32,
    /// 1: entries have weights, and a pair holds the entry in place of its value row.
    weighted: u32,
    /// The table's entries before the segment.
    entry_base: u32,
    /// First word of the table's terms.
    terms: u32,
    /// The row whose entries are padding; one that no table has, where none is.
    padding_row: u32,
    /// 1: this segment has weights of its own; 0: each is 1.
    has_weights: u32,
    /// Where they are sorted as they come in: bits of a key counted from the table's first; and, for ingest_small_serial, the lists of
    /// heads as in HeadLists.
    key_bits: u32,
    block: u32,
    lists: u32,
}

const VALUES_BY_ENTRY: u32 = 0u;
const VALUES_BY_MAP: u32 = 1u;
const VALUES_BY_ROW: u32 = 2u;
