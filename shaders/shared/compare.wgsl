// Comparisons of parts by their bits, which no compiler takes NaN out of.

// `x` brought into [-limit, limit]; a NaN stays one.
fn limited_of(x: Part, limit: f32) -> Part {
    let bits = bitcast<Bits>(x);
    let magnitude = bits & Bits(0x7fffffffu);
    let most = Bits(bitcast<u32>(limit));
    let kept = select(min(magnitude, most), magnitude, magnitude > Bits(0x7f800000u));
    return bitcast<Part>(kept | (bits & Bits(0x80000000u)));
}

// The larger of two numbers that are not below 0, of which -0 is 0; NaN where one is.
fn larger_of(x: Part, y: Part) -> Part {
    let magnitude = Bits(0x7fffffffu);
    return bitcast<Part>(max(bitcast<Bits>(x) & magnitude, bitcast<Bits>(y) & magnitude));
}
