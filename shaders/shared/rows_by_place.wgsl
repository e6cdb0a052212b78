// Rows draw random bits by their place in the table.

fn drawn_row(row: u32) -> u32 {
    return row + (config.window_key - config.keys.base);
}
