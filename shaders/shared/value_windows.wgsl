// The gradient's value rows `[rows, columns]`, too many bytes for one binding: up to five
// windows of `rows_per_window` rows.

/// Where a value row lies: its window, and its row there.
struct ValuePlace {
    window: u32,
    row: u32,
}

@group(0) @binding(5) var<storage, read_write> values_0: array<ValueStored>;
@group(0) @binding(6) var<storage, read_write> values_1: array<ValueStored>;
@group(0) @binding(7) var<storage, read_write> values_2: array<ValueStored>;
@group(0) @binding(8) var<storage, read_write> values_3: array<ValueStored>;
@group(0) @binding(9) var<storage, read_write> values_4: array<ValueStored>;

const VALUE_WINDOWS: u32 = 5u;

// By comparisons, because a CPU adapter divides lane by lane; written out, because a loop's turns count
// (`src/step/turns.rs`).
fn locate(row: u32, rows_per_window: u32) -> ValuePlace {
    var place = ValuePlace(0u, row);
    place = next_window(place, rows_per_window);
    place = next_window(place, rows_per_window);
    place = next_window(place, rows_per_window);
    return next_window(place, rows_per_window);
}

fn next_window(place: ValuePlace, rows_per_window: u32) -> ValuePlace {
    let behind = place.row >= rows_per_window;
    return ValuePlace(
        place.window + select(0u, 1u, behind),
        place.row - select(0u, rows_per_window, behind),
    );
}

fn load_at(place: ValuePlace, column: u32, columns: u32) -> Lane {
    let at = place.row * columns + column;
    let word = value_place(at);
    switch (place.window) {
        case 0u: {
            return unpack_value(values_0[word], at);
        }
        case 1u: {
            return unpack_value(values_1[word], at);
        }
        case 2u: {
            return unpack_value(values_2[word], at);
        }
        case 3u: {
            return unpack_value(values_3[word], at);
        }
        default: {
            return unpack_value(values_4[word], at);
        }
    }
}
