// Reading a value where the gradient's rows lie in one binding.

fn load_value(row: u32, column: u32, columns: u32, rows_per_window: u32) -> Lane {
    let at = row * columns + column;
    return unpack_value(value_word(value_place(at)), at);
}
