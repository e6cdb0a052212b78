// Rows draw random bits by numbers of the caller's: those of all rows of the table, copied before what `numbers` names.

fn drawn_row(row: u32) -> u32 {
    let rows = config.keys.sentinel - config.keys.base;
    return scratch[config.numbers - rows + row + (config.window_key - config.keys.base)];
}
