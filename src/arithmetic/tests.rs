//! The quotient and the root of `shaders/shared/exact.wgsl`, step for step in Rust, from approximations
//! that are off on purpose: what comes out must have the bits of IEEE 754.

const SIGN: u32 = 0x8000_0000;
const INFINITY: u32 = 0x7f80_0000;
const NOT_A_NUMBER: u32 = 0x7fc0_0000;
const HIDDEN: u32 = 0x0080_0000;
const TO_MANTISSA: u32 = 0x3f00_0000;

/// What a device's approximation is off by, in units in the last place. The integers bear 60.
const OFF: [i32; 9] = [-60, -9, -4, -1, 0, 1, 4, 11, 60];

/// Mantissa and biased exponent of a number above 0.
fn normal_of(magnitude: u32) -> (u32, i32) {
    let (exponent, fraction) = (magnitude >> 23, magnitude & (HIDDEN - 1));
    let shift = fraction.leading_zeros() - 8;
    match exponent {
        0 => (fraction << shift, 1 - shift as i32),
        _ => (fraction | HIDDEN, exponent as i32),
    }
}

/// Mantissa and rest of a quotient of mantissas, which the device finds off by `off`.
fn divided(dividend: u32, by: u32, off: i32) -> (u32, u32) {
    let approximate = (dividend as f32 / by as f32).to_bits().wrapping_add_signed(off);
    let approximate = approximate.wrapping_sub(TO_MANTISSA);
    let divisor = by as i32;
    let mut rest = (dividend << 23).wrapping_sub(approximate.wrapping_mul(by)) as i32;
    let steps = (rest as f32 / divisor as f32).floor() as i32;
    rest = rest.wrapping_sub(steps.wrapping_mul(divisor));
    let last = i32::from(rest >= divisor) - i32::from(rest < 0);
    rest = rest.wrapping_sub(last.wrapping_mul(divisor));
    (approximate.wrapping_add_signed(steps + last), rest as u32)
}

/// Mantissa and rest of the root of a number from 1 to 4, by its bits, likewise.
fn rooted(square: u32, number: u32, off: i32) -> (u32, u32) {
    let approximate = f32::from_bits(number).sqrt().to_bits().wrapping_add_signed(off);
    let mut root = approximate.wrapping_sub(TO_MANTISSA) as i32;
    let mut rest = (square << 23).wrapping_sub((root as u32).wrapping_mul(root as u32)) as i32;
    let steps = (rest as f32 / (root + root) as f32).floor() as i32;
    rest -= steps * (root + root + steps);
    root += steps;
    if rest > root + root {
        rest -= root + root + 1;
        root += 1;
    }
    if rest < 0 {
        root -= 1;
        rest += root + root + 1;
    }
    (root as u32, rest as u32)
}

/// `x / y`, where the device's quotient of mantissas is off by `off`.
fn quotient_of(x: f32, y: f32, off: i32) -> f32 {
    let (over, under) = (x.to_bits() & !SIGN, y.to_bits() & !SIGN);
    let [a, b] = [over, under].map(|bits| bits & (HIDDEN - 1) | HIDDEN);
    let doubled = u32::from(a < b);
    let exponent = (over >> 23).wrapping_sub(under >> 23).wrapping_add(126).wrapping_sub(doubled);
    let [below_over, below_under] = [over, under].map(|bits| (bits >> 23).wrapping_sub(1));
    if below_over.max(below_under).max(exponent) >= 253 {
        return any_quotient_of(x, y, off);
    }
    let (mantissa, rest) = divided(a << doubled, b, off);
    let up = u32::from(rest << 1 > b);
    f32::from_bits((x.to_bits() ^ y.to_bits()) & SIGN | (mantissa + up + (exponent << 23)))
}

fn any_quotient_of(x: f32, y: f32, off: i32) -> f32 {
    let (over, under) = (x.to_bits() & !SIGN, y.to_bits() & !SIGN);
    let ((a, a_exponent), (b, b_exponent)) = (normal_of(over), normal_of(under));
    let doubled = u32::from(a < b);
    let exponent = a_exponent - b_exponent + 127 - doubled as i32;
    let bits = match (over, under) {
        _ if over.max(under) > INFINITY => NOT_A_NUMBER,
        (0, 0) | (INFINITY, INFINITY) => NOT_A_NUMBER,
        (INFINITY, _) | (_, 0) => INFINITY,
        (0, _) | (_, INFINITY) => 0,
        _ => rounded(divided(a << doubled, b, off), b, exponent),
    };
    f32::from_bits(bits | (x.to_bits() ^ y.to_bits()) & SIGN)
}

fn rounded((mantissa, rest): (u32, u32), divisor: u32, exponent: i32) -> u32 {
    let half = u32::from(rest << 1 >= divisor) << 1;
    let beside = u32::from(rest != 0 && rest << 1 != divisor);
    let longer = mantissa << 2 | half | beside;
    let shift = (1 - exponent).clamp(0, 25) as u32 + 2;
    let kept = longer >> shift;
    let dropped = longer - (kept << shift);
    let up = u32::from(dropped + (kept & 1) > 1 << (shift - 1));
    let below = exponent.clamp(1, 255) as u32 - 1;
    (kept + up + (below << 23)).min(INFINITY)
}

/// The root of `x`, where the device's root of the mantissa is off by `off`.
fn root_of(x: f32, off: i32) -> f32 {
    let bits = x.to_bits();
    match bits {
        0 | SIGN | INFINITY => return x,
        _ if bits > INFINITY => return f32::from_bits(NOT_A_NUMBER),
        _ => {}
    }
    let (mantissa, exponent) = normal_of(bits);
    let doubled = !exponent as u32 & 1;
    let (root, rest) = rooted(mantissa << doubled, mantissa + (doubled << 23) + TO_MANTISSA, off);
    let half = (exponent - doubled as i32 + 125) as u32 >> 1;
    f32::from_bits(root + u32::from(rest > root) + (half << 23))
}

/// The same bits, or both not a number.
fn same(found: f32, expected: f32) -> bool {
    found.to_bits() == expected.to_bits() || (found.is_nan() && expected.is_nan())
}

fn try_root(x: f32) {
    for off in OFF {
        assert!(same(root_of(x, off), x.sqrt()), "root of {x:e}, off by {off}");
    }
}

/// The roots of the mantissas `start`, `start + stride`, ... of two binades.
fn try_roots(start: u32, stride: usize) {
    for bits in (0x3f80_0000 + start..0x4080_0000).step_by(stride) {
        let x = f32::from_bits(bits);
        try_root(x);
    }
}

/// Numbers that a quotient or a root may stumble over, by their bits.
const EDGES: [u32; 22] = [
    0,
    1,
    2,
    3,
    0x3f_ffff,
    0x40_0000,
    0x40_0001,
    0x7f_fffe,
    0x7f_ffff,
    0x80_0000,
    0x80_0001,
    0x00ff_ffff,
    0x0100_0000,
    0x3f7f_ffff,
    0x3f80_0000,
    0x3f80_0001,
    0x4b80_0000,
    0x7eff_ffff,
    0x7f00_0000,
    0x7f7f_ffff,
    INFINITY,
    NOT_A_NUMBER,
];

fn try_quotient(x: f32, y: f32) {
    for off in OFF {
        let found = quotient_of(x, y, off);
        assert!(same(found, x / y), "{x:e} / {y:e} off by {off}: {found:e} for {:e}", x / y);
    }
}

#[test]
fn a_root_is_rounded_correctly_from_a_poor_one() {
    let seed = sparse_adam_testkit::campaign::fresh_seed();
    println!("seed {seed}");
    try_roots((seed % 997) as u32, 997);
    for edge in EDGES {
        for x in [f32::from_bits(edge), -f32::from_bits(edge)] {
            try_root(x);
        }
    }
    let mut rng = sparse_adam_testkit::Rng(seed);
    for _ in 0..500_000 {
        let x = f32::from_bits(rng.next() as u32);
        try_root(x);
    }
}

#[test]
#[ignore = "takes a minute; run it by name"]
fn every_root_is_rounded_correctly_from_a_poor_one() {
    try_roots(0, 1);
    (1..HIDDEN).for_each(|bits| {
        let x = f32::from_bits(bits);
        try_root(x);
    });
}

#[test]
fn a_quotient_is_rounded_correctly_from_a_poor_one() {
    let seed = sparse_adam_testkit::campaign::fresh_seed();
    println!("seed {seed}");
    for x in EDGES {
        for y in EDGES {
            let (x, y) = (f32::from_bits(x), f32::from_bits(y));
            for (x, y) in [(x, y), (-x, y), (x, -y), (-x, -y)] {
                try_quotient(x, y);
            }
        }
    }
    try_quotients(seed, 400_000);
}

#[test]
#[ignore = "takes minutes; run it by name"]
fn many_quotients_are_rounded_correctly_from_poor_ones() {
    let seed = sparse_adam_testkit::campaign::fresh_seed();
    println!("seed {seed}");
    try_quotients(seed, 150_000_000);
}

/// Quotients of any numbers, of neighbours, and such that end among the subnormal ones.
fn try_quotients(seed: u64, count: usize) {
    let mut rng = sparse_adam_testkit::Rng(seed);
    for _ in 0..count {
        let (x, y) = (rng.next() as u32, rng.next() as u32);
        let near = y.wrapping_add_signed(rng.below(9) as i32 - 4);
        // An exponent of 1 to 24 below the smallest normal one.
        let low = (x & (HIDDEN - 1)) | (20 + x % 24) << 23;
        let high = (y & (HIDDEN - 1)) | 147 << 23;
        for (x, y) in [(x, y), (near, y), (low, high)] {
            try_quotient(f32::from_bits(x), f32::from_bits(y));
        }
    }
}
