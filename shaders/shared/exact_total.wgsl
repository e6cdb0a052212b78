// A sum of any f32 that are not below 0, without rounding: digits in memory of an invocation's own.

var<private> own_digits: array<u32, DIGITS>;
var<private> own_marks: u32;

// `word` has the bits of a number.
fn add_to_total(word: u32) {
    let bits = word & 0x7fffffffu;
    if (bits >= INFINITY_BITS) {
        own_marks |= select(UNDEFINED, INFINITE, bits == INFINITY_BITS);
        return;
    }
    let exponent = bits >> 23u;
    let mantissa = select((bits & 0x007fffffu) | 0x00800000u, bits, exponent == 0u);
    let shift = max(exponent, 1u) - 1u;
    let digit = shift / 16u;
    let within = shift % 16u;
    let high = mantissa >> (16u - within);
    own_digits[digit] += (mantissa << within) & DIGIT;
    own_digits[digit + 1u] += high & DIGIT;
    own_digits[digit + 2u] += high >> 16u;
}
