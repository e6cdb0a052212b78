// Taking the exact total: it is rounded once, to nearest, ties to even, and starts anew.

/// What the digits come to, as one looks at them from the lowest on: the highest that is not 0, its number, the two
/// below it, and whether anything is left below these.
struct Highest {
    number: u32,
    digit: u32,
    below: vec2<u32>,
    rest: bool,
}

fn take_digits() -> Highest {
    var highest = Highest(0u, 0u, vec2<u32>(), false);
    var below = vec2<u32>();
    var rest = false;
    var carry = 0u;
    for (var i = 0u; i < DIGITS; i++) {
        let sum = atomicExchange(&state.digits[i], 0u) + carry;
        carry = sum >> 16u;
        let digit = sum & DIGIT;
        if (digit != 0u) {
            highest = Highest(i, digit, below, rest);
        }
        rest = rest || below.y != 0u;
        below = vec2<u32>(digit, below.x);
    }
    return highest;
}

// The bits of the number that is nearest to them. The lowest bit of all is the smallest number's, so up to 24 bits
// are what they are.
fn rounded_total(highest: Highest) -> u32 {
    let word = (highest.digit << 16u) | highest.below.x;
    if (highest.number == 0u) {
        return highest.digit;
    }
    if (highest.number == 1u && word < 1u << 24u) {
        return word;
    }
    let zeros = countLeadingZeros(word);
    let aligned = (word << zeros) | (highest.below.y >> (16u - zeros));
    let dropped = aligned & 0xffu;
    let rest = highest.rest || ((highest.below.y << zeros) & DIGIT) != 0u;
    let mantissa = aligned >> 8u;
    let up = dropped > 0x80u || (dropped == 0x80u && (rest || (mantissa & 1u) == 1u));
    // The mantissa's lowest bit, counted from the lowest of all; its highest is one more of the exponent.
    let shift = 16u * highest.number + 15u - zeros - 23u;
    return min((shift << 23u) + mantissa + select(0u, 1u, up), INFINITY_BITS);
}

fn take_total() -> f32 {
    let bits = rounded_total(take_digits());
    let marks = atomicExchange(&state.marks, 0u);
    if ((marks & UNDEFINED) != 0u) {
        return bitcast<f32>(0x7fc00000u ^ config.zero);
    }
    return bitcast<f32>(select(bits, INFINITY_BITS, (marks & INFINITE) != 0u));
}
