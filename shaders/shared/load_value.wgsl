// Reading a value where the gradient's rows lie in one binding.

/// Where a value row lies: its window, of which there is one, and its row there.
struct ValuePlace {
    window: u32,
    row: u32,
}

const VALUE_WINDOWS: u32 = 1u;

fn locate(row: u32, rows_per_window: u32) -> ValuePlace {
    return ValuePlace(0u, row);
}

fn load_at(place: ValuePlace, column: u32, columns: u32) -> Lane {
    let at = place.row * columns + column;
    return unpack_value(value_word(value_place(at)), at);
}
