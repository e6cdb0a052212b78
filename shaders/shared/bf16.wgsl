// The upper halves of f32, read and made by integers. Twin: `src/narrow.rs`.

fn bf16_value(half: Bits) -> Part {
    return bitcast<Part>(half << Bits(16u));
}

// The half, or a NaN where `x` is one.
fn bf16_of(x: Part, half: Bits) -> Bits {
    let bits = bitcast<Bits>(x);
    let is_nan = (bits & Bits(0x7fffffffu)) > Bits(0x7f800000u);
    return select(half, (bits >> Bits(16u)) | Bits(0x40u), is_nan);
}

// Ties to even.
fn bf16_nearest(x: Part) -> Bits {
    let bits = bitcast<Bits>(x);
    return bf16_of(x, (bits + Bits(0x7fffu) + ((bits >> Bits(16u)) & Bits(1u))) >> Bits(16u));
}

// Up or down, 16 of the `random` bits decide; no finite number becomes infinite.
fn bf16_stochastic(x: Part, random: Bits) -> Bits {
    let bits = bitcast<Bits>(x);
    let magnitude = bits & Bits(0x7fffffffu);
    let largest = select(Bits(0x7f7fu), Bits(0x7f80u), magnitude == Bits(0x7f800000u));
    let half = min((magnitude + (random & Bits(0xffffu))) >> Bits(16u), largest);
    return bf16_of(x, half | ((bits >> Bits(16u)) & Bits(0x8000u)));
}
