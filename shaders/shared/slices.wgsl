// Which columns of its rows a workgroup takes.
//
// A row of many columns is dealt out in slices to neighbouring workgroups, so that the loops of
// an invocation stay within the turns that every driver lets them (`src/step/turns.rs`). Columns
// have nothing to do with each other, so this changes no bit.

/// The columns [first, end).
struct Slice {
    first: u32,
    end: u32,
}

fn slices_of(columns: u32, slice: u32) -> u32 {
    return (columns + slice - 1u) / slice;
}

// The slice of a workgroup; workgroup / slices_of(..) is its tile or block.
fn slice_of(workgroup: u32, columns: u32, slice: u32) -> Slice {
    let first = (workgroup % slices_of(columns, slice)) * slice;
    return Slice(first, min(first + slice, columns));
}
