// Lanes of two f32, moved as one u64: for CPU adapters whose device has SHADER_INT64, as they move memory number by number,
// whatever the size of a number.

/// What a binding of rows holds.
alias Stored = u64;
/// What a CPU adapter moves at once.
alias Number = u64;

fn unpack(stored: Stored) -> Lane {
    return bitcast<vec2<f32>>(vec2<u32>(u32(stored), u32(stored >> 32u)));
}

fn pack(lane: Lane) -> Stored {
    let words = bitcast<vec2<u32>>(lane);
    return u64(words.x) | (u64(words.y) << 32u);
}
