// What lanes have in common that are stored as they are computed with.

/// What a binding of rows holds.
alias Stored = Lane;
/// What a CPU adapter moves at once.
alias Number = f32;

fn unpack(stored: Stored) -> Lane {
    return stored;
}

fn pack(lane: Lane) -> Stored {
    return lane;
}
