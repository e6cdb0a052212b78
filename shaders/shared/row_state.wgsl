// What rows have of their own, besides their values.
//
// A rule declares ROW_FIELDS, how many words a row has. This fragment owns a binding.

/// `[rows, ROW_FIELDS]` of the window.
@group(0) @binding(2) var<storage, read_write> row_state: array<u32>;

fn load_row(row: u32, field: u32) -> u32 {
    return row_state[row * ROW_FIELDS + field];
}

fn store_row(row: u32, field: u32, word: u32) {
    row_state[row * ROW_FIELDS + field] = word;
}
