// Numbers of 16 bits as IEEE 754 has them, read and made by integers: WGSL leaves the rounding of its own
// conversions open. Twin: `src/narrow.rs`.

/// The least f32 that is a normal f16, and the bits by which exponents differ.
const F16_NORMAL: u32 = 0x38800000u;
const F16_REBIAS: u32 = 0x38000000u;

fn f16_value(half: Bits) -> Part {
    let magnitude = half & Bits(0x7fffu);
    let normal = (magnitude << Bits(13u)) + Bits(F16_REBIAS);
    // Times 2^-24. No device rounds an integer so small.
    let subnormal = bitcast<Bits>(Part(magnitude)) - Bits(0x0c000000u);
    var bits = select(normal, subnormal, magnitude < Bits(0x400u));
    bits = select(bits, normal + Bits(F16_REBIAS), magnitude >= Bits(0x7c00u));
    bits = select(bits, Bits(0u), magnitude == Bits(0u));
    return bitcast<Part>(bits | ((half & Bits(0x8000u)) << Bits(16u)));
}

/// A magnitude in spacings of subnormal f16: whole ones, what is left, and the bits of that.
struct F16Spacings {
    whole: Bits,
    rest: Bits,
    shift: Bits,
}

// Of a magnitude below F16_NORMAL. Of one below 2^-32 nothing is left.
fn f16_spacings(magnitude: Bits) -> F16Spacings {
    let exponent = magnitude >> Bits(23u);
    let fraction = (magnitude & Bits(0x007fffffu)) | Bits(0x00800000u);
    let mantissa = select(fraction, Bits(0u), exponent < Bits(95u));
    let shift = clamp(Bits(126u) - exponent, Bits(14u), Bits(31u));
    let whole = mantissa >> shift;
    return F16Spacings(whole, mantissa - (whole << shift), shift);
}

// With the sign of `x`, and a NaN where it is one.
fn f16_of(x: Part, magnitude: Bits) -> Bits {
    let bits = bitcast<Bits>(x);
    let is_nan = (bits & Bits(0x7fffffffu)) > Bits(0x7f800000u);
    return select(magnitude, Bits(0x7e00u), is_nan) | ((bits >> Bits(16u)) & Bits(0x8000u));
}

// Ties to even.
fn f16_nearest(x: Part) -> Bits {
    let magnitude = bitcast<Bits>(x) & Bits(0x7fffffffu);
    // Half a spacing less, and one more where that makes a tie even.
    let up = Bits(0xfffu) + ((magnitude >> Bits(13u)) & Bits(1u));
    let normal = min((magnitude + up - Bits(F16_REBIAS)) >> Bits(13u), Bits(0x7c00u));
    let spacings = f16_spacings(magnitude);
    let tie = Bits(1u) << (spacings.shift - Bits(1u));
    let above = spacings.rest + (spacings.whole & Bits(1u)) > tie;
    let subnormal = spacings.whole + select(Bits(0u), Bits(1u), above);
    return f16_of(x, select(subnormal, normal, magnitude >= Bits(F16_NORMAL)));
}

// Up or down, as many of the `random` bits decide as are cut off; no finite number becomes infinite.
fn f16_stochastic(x: Part, random: Bits) -> Bits {
    let magnitude = bitcast<Bits>(x) & Bits(0x7fffffffu);
    let sum = min(magnitude, Bits(0x477fffffu)) + (random & Bits(0x1fffu));
    let normal = min((sum - Bits(F16_REBIAS)) >> Bits(13u), Bits(0x7bffu));
    let spacings = f16_spacings(magnitude);
    let above = (random >> (Bits(32u) - spacings.shift)) < spacings.rest;
    let subnormal = spacings.whole + select(Bits(0u), Bits(1u), above);
    let finite = select(subnormal, normal, magnitude >= Bits(F16_NORMAL));
    return f16_of(x, select(finite, Bits(0x7c00u), magnitude == Bits(0x7f800000u)));
}
