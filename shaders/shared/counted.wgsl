// Numbers that were counted, as f32.

// To nearest, ties to even, which a conversion may do otherwise.
fn float_of(count: u32) -> f32 {
    let zeros = countLeadingZeros(count);
    let aligned = count << (zeros & 31u);
    let mantissa = aligned >> 8u;
    let rest = aligned & 0xffu;
    let up = rest > 128u || (rest == 128u && (mantissa & 1u) == 1u);
    // The hidden bit counts as one of the exponent, and a carry out of the mantissa as another.
    let bits = ((157u - zeros) << 23u) + mantissa + select(0u, 1u, up);
    return bitcast<f32>(select(bits, 0u, count == 0u));
}
