// In place of `touch`, where a row's values span bindings, or what is bound differs in type.

fn touch(row: u32, value_row: u32, slice: Slice) {}
