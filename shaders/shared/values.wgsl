// The gradient's value rows `[rows, columns]`, in one binding.
//
// This fragment and value_windows declare the same binding in two ways, so they are the only
// fragments that own bindings.

@group(0) @binding(5) var<storage, read_write> values: array<ValueStored>;

fn value_word(at: u32) -> ValueStored {
    return values[at];
}
