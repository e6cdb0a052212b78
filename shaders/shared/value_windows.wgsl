// The gradient's value rows `[rows, columns]`, too many bytes for one binding: up to five
// windows of `rows_per_window` rows.

@group(0) @binding(5) var<storage, read_write> values_0: array<ValueStored>;
@group(0) @binding(6) var<storage, read_write> values_1: array<ValueStored>;
@group(0) @binding(7) var<storage, read_write> values_2: array<ValueStored>;
@group(0) @binding(8) var<storage, read_write> values_3: array<ValueStored>;
@group(0) @binding(9) var<storage, read_write> values_4: array<ValueStored>;

fn load_value(row: u32, column: u32, columns: u32, rows_per_window: u32) -> Lane {
    let at = (row % rows_per_window) * columns + column;
    let place = value_place(at);
    switch (row / rows_per_window) {
        case 0u: {
            return unpack_value(values_0[place], at);
        }
        case 1u: {
            return unpack_value(values_1[place], at);
        }
        case 2u: {
            return unpack_value(values_2[place], at);
        }
        case 3u: {
            return unpack_value(values_3[place], at);
        }
        default: {
            return unpack_value(values_4[place], at);
        }
    }
}
