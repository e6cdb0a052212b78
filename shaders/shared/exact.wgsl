// Arithmetic with the bits of IEEE 754 on every device that rounds + - * to nearest, whatever its
// compiler fuses or reorders, and however it approximates a quotient or a root.
//
// A stage that uses this declares `config` with a field `zero`, which is always 0.

const SIGN: u32 = 0x80000000u;
const INFINITY: u32 = 0x7f800000u;
const NOT_A_NUMBER: u32 = 0x7fc00000u;
/// The bit before a fraction's 23, which is not stored.
const HIDDEN: u32 = 0x00800000u;
/// What turns the bits of a number from 1 to 2 into its mantissa of 24 bits, by subtraction.
const TO_MANTISSA: u32 = 0x3f000000u;

// `x`, past a fence: that `zero` is 0 no compiler knows, so it neither fuses what made `x` with what
// uses it, nor reorders the two.
fn settled(x: Part) -> Part {
    return bitcast<Part>(bitcast<Bits>(x) ^ Bits(config.zero));
}

fn negated(x: Part) -> Part {
    return bitcast<Part>(bitcast<Bits>(x) ^ Bits(SIGN ^ config.zero));
}

/// A number above 0 as mantissa, of 24 bits, and biased exponent: below 1 where it is subnormal.
struct Normal {
    mantissa: Bits,
    exponent: Ints,
}

fn normal_of(magnitude: Bits) -> Normal {
    let exponent = magnitude >> Bits(23u);
    let fraction = magnitude & Bits(HIDDEN - 1u);
    let shift = countLeadingZeros(fraction) - Bits(8u);
    let subnormal = exponent == Bits(0u);
    return Normal(
        select(fraction | Bits(HIDDEN), fraction << shift, subnormal),
        select(Ints(exponent), Ints(1) - Ints(shift), subnormal),
    );
}

// The bits of a quotient: `mantissa` (24 bits) and `rest` / `divisor` of its last bit, times a power of
// two; to nearest, ties to even, also where the result is subnormal or infinite.
fn rounded(mantissa: Bits, rest: Bits, divisor: Bits, exponent: Ints) -> Bits {
    // Two bits more: one half, and whether anything is left beside it.
    let half = select(Bits(0u), Bits(2u), rest << Bits(1u) >= divisor);
    let beside = select(Bits(1u), Bits(0u), rest << Bits(1u) == divisor);
    let longer = (mantissa << Bits(2u)) | half | select(beside, Bits(0u), rest == Bits(0u));
    let shift = Bits(clamp(Ints(1) - exponent, Ints(0), Ints(25))) + Bits(2u);
    let kept = longer >> shift;
    let dropped = longer - (kept << shift);
    let up = dropped + (kept & Bits(1u)) > Bits(1u) << (shift - Bits(1u));
    let magnitude = kept + select(Bits(0u), Bits(1u), up);
    // The hidden bit counts as one of the exponent, and a carry out of the mantissa as another.
    let below = Bits(clamp(exponent, Ints(1), Ints(255)) - Ints(1));
    return min(magnitude + (below << Bits(23u)), Bits(INFINITY));
}

// The device's quotient of mantissas is set right by its remainder, which is small, and so is known from
// its low 32 bits.
fn quotient_of(x: Part, y: Part) -> Part {
    let sign = (bitcast<Bits>(x) ^ bitcast<Bits>(y)) & Bits(SIGN);
    let over = bitcast<Bits>(x) & Bits(~SIGN);
    let under = bitcast<Bits>(y) & Bits(~SIGN);
    let a = normal_of(over);
    let b = normal_of(under);
    let doubled = select(Bits(0u), Bits(1u), a.mantissa < b.mantissa);
    let dividend = a.mantissa << doubled;
    let divisor = Ints(b.mantissa);
    let exponent = a.exponent - b.exponent + Ints(127) - Ints(doubled);
    var mantissa = bitcast<Bits>(Part(dividend) / Part(b.mantissa)) - Bits(TO_MANTISSA);
    var rest = bitcast<Ints>((dividend << Bits(23u)) - mantissa * b.mantissa);
    let steps = Ints(floor(Part(rest) / Part(divisor)));
    rest -= steps * divisor;
    // That division may have been off by one.
    let last = select(select(Ints(0), Ints(1), rest >= divisor), Ints(-1), rest < Ints(0));
    rest -= last * divisor;
    mantissa += bitcast<Bits>(steps + last);
    var bits = rounded(mantissa, bitcast<Bits>(rest), b.mantissa, exponent);
    bits = select(bits, Bits(0u), over == Bits(0u));
    bits = select(bits, Bits(0u), under == Bits(INFINITY));
    bits = select(bits, Bits(INFINITY), under == Bits(0u));
    bits = select(bits, Bits(INFINITY), over == Bits(INFINITY));
    bits = select(bits, Bits(NOT_A_NUMBER), (over | under) == Bits(0u));
    bits = select(bits, Bits(NOT_A_NUMBER), min(over, under) == Bits(INFINITY));
    bits = select(bits, Bits(NOT_A_NUMBER), max(over, under) > Bits(INFINITY));
    return bitcast<Part>(bits | sign);
}

// As quotient_of: with root^2 + rest = square.
fn root_of(x: Part) -> Part {
    let bits = bitcast<Bits>(x);
    let number = normal_of(bits & Bits(~SIGN));
    // An even power of two stays outside the root.
    let doubled = Bits(~number.exponent) & Bits(1u);
    let square = number.mantissa << doubled;
    let exponent = Bits(number.exponent - Ints(doubled) + Ints(127)) >> Bits(1u);
    let between_1_and_4 = number.mantissa + (doubled << Bits(23u)) + Bits(TO_MANTISSA);
    var root = Ints(bitcast<Bits>(sqrt(bitcast<Part>(between_1_and_4))) - Bits(TO_MANTISSA));
    var rest = bitcast<Ints>((square << Bits(23u)) - Bits(root) * Bits(root));
    let steps = Ints(floor(Part(rest) / Part(root + root)));
    rest -= steps * (root + root + steps);
    root += steps;
    // That division, and leaving the square of `steps` out of it, may have been off by one.
    let high = rest > root + root;
    rest -= select(Ints(0), root + root + Ints(1), high);
    root += select(Ints(0), Ints(1), high);
    let low = rest < Ints(0);
    root -= select(Ints(0), Ints(1), low);
    rest += select(Ints(0), root + root + Ints(1), low);
    // No root of 24 bits lies halfway between two others.
    let mantissa = Bits(root) + select(Bits(0u), Bits(1u), rest > root);
    var found = mantissa + ((exponent - Bits(1u)) << Bits(23u));
    found = select(found, bits, (bits & Bits(~SIGN)) == Bits(0u));
    found = select(found, Bits(NOT_A_NUMBER), bits > Bits(SIGN));
    found = select(found, bits, bits == Bits(INFINITY));
    found = select(found, Bits(NOT_A_NUMBER), (bits & Bits(~SIGN)) > Bits(INFINITY));
    return bitcast<Part>(found);
}
