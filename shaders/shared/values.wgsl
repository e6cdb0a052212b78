// The gradient's value rows `[rows, columns]`, in one binding.
//
// This fragment and value_windows declare the same binding in two ways, so they are the only
// fragments that own bindings.

@group(0) @binding(5) var<storage, read_write> values: array<ValueStored>;

fn load_value(row: u32, column: u32, columns: u32, rows_per_window: u32) -> Lane {
    let at = row * columns + column;
    return unpack_value(values[value_place(at)], at);
}
