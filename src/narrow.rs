//! Numbers of 16 bits, bit for bit as `shaders/shared/{f16,bf16,random}.wgsl` make and read them.

use crate::{Format, Rounding};

/// Bits of an f32's infinity, and of an f16's.
const INFINITY: u32 = 0x7f80_0000;
const INFINITY_F16: u32 = 0x7c00;
/// The least f32 that is a normal f16.
const NORMAL_F16: u32 = 0x3880_0000;

/// The f32 that a number of 16 bits is; `format` is not F32.
pub(crate) fn value(format: Format, half: u16) -> f32 {
    if format == Format::F16 { f16_value(half.into()) } else { bf16_value(half.into()) }
}

/// The nearest number of 16 bits, ties to even; `format` is not F32.
pub(crate) fn nearest(format: Format, x: f32) -> u16 {
    if format == Format::F16 { f16_nearest(x) } else { bf16_nearest(x) }
}

/// One of the two next numbers of 16 bits by 32 random bits; `format` is not F32.
pub(crate) fn stochastic(format: Format, x: f32, random: u32) -> u16 {
    if format == Format::F16 { f16_stochastic(x, random) } else { bf16_stochastic(x, random) }
}

/// What is stored of `x`, read again.
pub(crate) fn stored(format: Format, x: f32, random: Option<u32>) -> f32 {
    match (format, random) {
        (Format::F32, _) => x,
        (narrow, None) => value(narrow, nearest(narrow, x)),
        (narrow, Some(random)) => value(narrow, stochastic(narrow, x, random)),
    }
}

/// The random bits for one value of a table in step `step`, of which the low 32 bits count: for the
/// parameter and for each moment. None where rounding is to nearest.
pub(crate) fn random(rounding: Rounding, step: u64, row: u32, column: u32) -> [Option<u32>; 3] {
    let Rounding::Stochastic { seed } = rounding else { return [None; 3] };
    let [param, first, second, _] = pcg4d([row, column, step as u32, seed]);
    [param, first, second].map(Some)
}

/// As [`random`], for what brings a row up to step `step`: of no column that a table has, as that step may round
/// the row as well.
pub(crate) fn random_behind(
    rounding: Rounding,
    step: u64,
    row: u32,
    column: u32,
) -> [Option<u32>; 3] {
    random(rounding, step, row, !column)
}

/// Four random words of four others (pcg4d, Jarzynski and Olano 2020).
fn pcg4d(key: [u32; 4]) -> [u32; 4] {
    let mut v = key.map(|word| word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    mix(&mut v);
    v = v.map(|word| word ^ (word >> 16));
    mix(&mut v);
    v
}

fn mix(v: &mut [u32; 4]) {
    for [to, a, b] in [[0, 1, 3], [1, 2, 0], [2, 0, 1], [3, 1, 2]] {
        v[to] = v[to].wrapping_add(v[a].wrapping_mul(v[b]));
    }
}

fn f16_value(half: u32) -> f32 {
    let (sign, magnitude) = ((half & 0x8000) << 16, half & 0x7fff);
    let bits = match magnitude {
        0 => 0,
        // Times 2^-24.
        1..0x400 => (magnitude as f32).to_bits() - (24 << 23),
        0x400..INFINITY_F16 => (magnitude << 13) + (112 << 23),
        _ => (magnitude << 13) + (224 << 23),
    };
    f32::from_bits(sign | bits)
}

fn f16_nearest(x: f32) -> u16 {
    let (sign, a) = (x.to_bits() >> 16 & 0x8000, x.to_bits() & 0x7fff_ffff);
    let half = if a > INFINITY {
        0x7e00
    } else if a >= NORMAL_F16 {
        // Half a spacing less, and one more where that makes a tie even.
        let up = 0xfff + (a >> 13 & 1);
        ((a + up).wrapping_sub(112 << 23) >> 13).min(INFINITY_F16)
    } else {
        let (whole, rest, shift) = subnormal(a);
        let tie = 1 << (shift - 1);
        whole + u32::from(rest + (whole & 1) > tie)
    };
    (sign | half) as u16
}

fn f16_stochastic(x: f32, random: u32) -> u16 {
    let (sign, a) = (x.to_bits() >> 16 & 0x8000, x.to_bits() & 0x7fff_ffff);
    let half = if a > INFINITY {
        0x7e00
    } else if a == INFINITY {
        INFINITY_F16
    } else if a >= NORMAL_F16 {
        let (largest, below) = (0x477f_ffff, random & 0x1fff);
        ((a.min(largest) + below - (112 << 23)) >> 13).min(INFINITY_F16 - 1)
    } else {
        let (whole, rest, shift) = subnormal(a);
        whole + u32::from(random >> (32 - shift) < rest)
    };
    (sign | half) as u16
}

/// A magnitude below [`NORMAL_F16`] in spacings of f16: whole ones, what is left, and the bits of that.
/// Of magnitudes below 2^-32 nothing is left.
fn subnormal(a: u32) -> (u32, u32, u32) {
    let shift = 126 - (a >> 23);
    let mantissa = (a & 0x007f_ffff) | 0x0080_0000;
    match shift {
        ..=31 => (mantissa >> shift, mantissa & ((1 << shift) - 1), shift),
        _ => (0, 0, 31),
    }
}

fn bf16_value(half: u32) -> f32 {
    f32::from_bits(half << 16)
}

fn bf16_nearest(x: f32) -> u16 {
    let bits = x.to_bits();
    if x.is_nan() {
        return quiet(bits);
    }
    ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

fn bf16_stochastic(x: f32, random: u32) -> u16 {
    let (bits, a) = (x.to_bits(), x.to_bits() & 0x7fff_ffff);
    if a > INFINITY {
        return quiet(bits);
    }
    let largest = if a == INFINITY { a >> 16 } else { (INFINITY >> 16) - 1 };
    (bits >> 16 & 0x8000 | ((a + (random & 0xffff)) >> 16).min(largest)) as u16
}

/// The upper half of a NaN, which stays one.
fn quiet(bits: u32) -> u16 {
    (bits >> 16 | 0x40) as u16
}

#[cfg(test)]
#[path = "narrow_tests.rs"]
mod tests;
