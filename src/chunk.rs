//! The order in which a row's entries are added.

/// Fan-in of the tree that sums a row's entries: entries are added one after another in chunks
/// of `CHUNK` counted from the row's first entry, then the chunk sums in chunks of `CHUNK`,
/// and so on. Part of the numerics contract: it is the same on every adapter.
pub const CHUNK: u32 = 64;
