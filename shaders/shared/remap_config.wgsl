// Rows of a window of a new table, each from a row of the old one.

struct RemapConfig {
    /// Rows of the new window, and where the first is in `row_map`.
    rows: u32,
    map_first: u32,
    /// Pieces per row, and how many of them an invocation takes; of halves: numbers per row, and words.
    columns: u32,
    strip: u32,
    /// The window of the old table that is bound.
    old_first: u32,
    old_rows: u32,
    pad0: u32,
    pad1: u32,
}

@group(0) @binding(0) var<uniform> config: RemapConfig;
/// u32 `[rows]`: the old row of each new one.
@group(0) @binding(1) var<storage, read_write> row_map: array<u32>;

/// Where a new row comes from in the old window that is bound; `old_rows` or more where it comes from no row of it. A number
/// before the window wraps to one behind it.
fn old_row_of(row: u32) -> u32 {
    return row_map[config.map_first + row] - config.old_first;
}
