// In place of `touch`, where a row is read one f32 at a time, or its values span bindings.

fn touch(row: u32, value_row: u32, slice: Slice) {}
