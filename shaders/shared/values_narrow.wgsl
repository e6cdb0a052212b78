// How a gradient's values are stored: in 16 bits, as VALUES_F16 tells.

alias ValueStored = Halves;

fn value_place(at: u32) -> u32 {
    return place_of(at);
}

fn value_part(half: Bits) -> Part {
    if (VALUES_F16) {
        return f16_value(half);
    }
    return bf16_value(half);
}

fn unpack_value(stored: ValueStored, at: u32) -> Lane {
    let bits = halves_at(stored, at);
    return joined(value_part(bits.low), value_part(bits.high));
}
