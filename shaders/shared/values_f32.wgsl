// How a gradient's values are stored: in f32.

alias ValueStored = Stored;

// Where lane `at` is, and what lies there as a lane.
fn value_place(at: u32) -> u32 {
    return at;
}

fn unpack_value(stored: ValueStored, at: u32) -> Lane {
    return unpack(stored);
}
