// Arithmetic with the bits of IEEE 754 on every device that rounds + - * to nearest, whatever its
// compiler fuses or reorders, and however it approximates a quotient or a root, within 60 units in the
// last place.
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

/// A quotient or a root in 24 bits, cut off, and what of the dividend or the square is left.
struct Divided {
    mantissa: Bits,
    rest: Bits,
}

// The quotient of two mantissas, from 1 to 2. The device's own is set right by its remainder, which is small, and
// so is known from its low 32 bits.
fn divided(dividend: Bits, by: Bits) -> Divided {
    let approximate = bitcast<Bits>(Part(dividend) / Part(by)) - Bits(TO_MANTISSA);
    let divisor = Ints(by);
    var rest = bitcast<Ints>((dividend << Bits(23u)) - approximate * by);
    let steps = Ints(floor(Part(rest) / Part(divisor)));
    rest -= steps * divisor;
    // That division may have been off by one.
    let last = select(select(Ints(0), Ints(1), rest >= divisor), Ints(-1), rest < Ints(0));
    rest -= last * divisor;
    return Divided(approximate + bitcast<Bits>(steps + last), bitcast<Bits>(rest));
}

// As `divided`, of the square that `number` (the bits of one from 1 to 4) stands for: root^2 + rest = square.
fn rooted(square: Bits, number: Bits) -> Divided {
    var root = Ints(bitcast<Bits>(sqrt(bitcast<Part>(number))) - Bits(TO_MANTISSA));
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
    return Divided(Bits(root), Bits(rest));
}

// Normal numbers with a normal quotient, which nearly all are, take a third of the operations.
fn quotient_of(x: Part, y: Part) -> Part {
    let over = bitcast<Bits>(x) & Bits(~SIGN);
    let under = bitcast<Bits>(y) & Bits(~SIGN);
    let a = (over & Bits(HIDDEN - 1u)) | Bits(HIDDEN);
    let b = (under & Bits(HIDDEN - 1u)) | Bits(HIDDEN);
    let doubled = select(Bits(0u), Bits(1u), a < b);
    // One less than the biased exponent: the hidden bit adds it.
    let exponent = (over >> Bits(23u)) - (under >> Bits(23u)) + Bits(126u) - doubled;
    let usual = max(
        max((over >> Bits(23u)) - Bits(1u), (under >> Bits(23u)) - Bits(1u)),
        exponent,
    ) < Bits(253u);
    if (!all(usual)) {
        return any_quotient_of(x, y);
    }
    let found = divided(a << doubled, b);
    let up = select(Bits(0u), Bits(1u), found.rest << Bits(1u) > b);
    let sign = (bitcast<Bits>(x) ^ bitcast<Bits>(y)) & Bits(SIGN);
    return bitcast<Part>(sign | (found.mantissa + up + (exponent << Bits(23u))));
}

// A normal number has a normal root.
fn root_of(x: Part) -> Part {
    let bits = bitcast<Bits>(x);
    if (!all(bits - Bits(HIDDEN) < Bits(INFINITY - HIDDEN))) {
        return any_root_of(x);
    }
    let mantissa = (bits & Bits(HIDDEN - 1u)) | Bits(HIDDEN);
    return bitcast<Part>(root_bits(mantissa, Ints(bits >> Bits(23u))));
}

// The bits of the root of a number above 0.
fn root_bits(mantissa: Bits, exponent: Ints) -> Bits {
    // An even power of two stays outside the root.
    let doubled = Bits(~exponent) & Bits(1u);
    let between_1_and_4 = mantissa + (doubled << Bits(23u)) + Bits(TO_MANTISSA);
    let found = rooted(mantissa << doubled, between_1_and_4);
    // No root of 24 bits lies halfway between two others.
    let up = select(Bits(0u), Bits(1u), found.rest > found.mantissa);
    let half = Bits(exponent - Ints(doubled) + Ints(125)) >> Bits(1u);
    return found.mantissa + up + (half << Bits(23u));
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

// The bits of a quotient whose last bit lacks `rest` / `divisor`, times a power of two; to nearest, ties to
// even, also where the result is subnormal or infinite.
fn rounded(quotient: Divided, divisor: Bits, exponent: Ints) -> Bits {
    let rest = quotient.rest;
    // Two bits more: one half, and whether anything is left beside it.
    let half = select(Bits(0u), Bits(2u), rest << Bits(1u) >= divisor);
    let beside = select(Bits(1u), Bits(0u), rest << Bits(1u) == divisor);
    let longer = (quotient.mantissa << Bits(2u)) | half | select(beside, Bits(0u), rest == Bits(0u));
    let shift = Bits(clamp(Ints(1) - exponent, Ints(0), Ints(25))) + Bits(2u);
    let kept = longer >> shift;
    let dropped = longer - (kept << shift);
    let up = dropped + (kept & Bits(1u)) > Bits(1u) << (shift - Bits(1u));
    let magnitude = kept + select(Bits(0u), Bits(1u), up);
    // The hidden bit counts as one of the exponent, and a carry out of the mantissa as another.
    let below = Bits(clamp(exponent, Ints(1), Ints(255)) - Ints(1));
    return min(magnitude + (below << Bits(23u)), Bits(INFINITY));
}

// Of any numbers.
fn any_quotient_of(x: Part, y: Part) -> Part {
    let sign = (bitcast<Bits>(x) ^ bitcast<Bits>(y)) & Bits(SIGN);
    let over = bitcast<Bits>(x) & Bits(~SIGN);
    let under = bitcast<Bits>(y) & Bits(~SIGN);
    let a = normal_of(over);
    let b = normal_of(under);
    let doubled = select(Bits(0u), Bits(1u), a.mantissa < b.mantissa);
    let exponent = a.exponent - b.exponent + Ints(127) - Ints(doubled);
    let found = divided(a.mantissa << doubled, b.mantissa);
    var bits = rounded(found, b.mantissa, exponent);
    bits = select(bits, Bits(0u), over == Bits(0u));
    bits = select(bits, Bits(0u), under == Bits(INFINITY));
    bits = select(bits, Bits(INFINITY), under == Bits(0u));
    bits = select(bits, Bits(INFINITY), over == Bits(INFINITY));
    bits = select(bits, Bits(NOT_A_NUMBER), (over | under) == Bits(0u));
    bits = select(bits, Bits(NOT_A_NUMBER), min(over, under) == Bits(INFINITY));
    bits = select(bits, Bits(NOT_A_NUMBER), max(over, under) > Bits(INFINITY));
    return bitcast<Part>(bits | sign);
}

// Of any number.
fn any_root_of(x: Part) -> Part {
    let bits = bitcast<Bits>(x);
    let number = normal_of(bits & Bits(~SIGN));
    var found = root_bits(number.mantissa, number.exponent);
    found = select(found, bits, (bits & Bits(~SIGN)) == Bits(0u));
    found = select(found, Bits(NOT_A_NUMBER), bits > Bits(SIGN));
    found = select(found, bits, bits == Bits(INFINITY));
    found = select(found, Bits(NOT_A_NUMBER), (bits & Bits(~SIGN)) > Bits(INFINITY));
    return bitcast<Part>(found);
}
