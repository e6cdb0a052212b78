// Lanes of four f32, moved as two u64, as in `u64_vec2`. A stage that uses this has the fragment `u64_fours`.

/// What a binding of rows holds.
alias Stored = vec2<u64>;
/// What a CPU adapter moves at once.
alias Number = u64;

fn unpack(stored: Stored) -> Lane {
    return unpack_four(stored);
}

fn pack(lane: Lane) -> Stored {
    return pack_four(lane);
}
