//! Powers with the same bits on every machine.

/// `base^exponent` for a base in [0, 1), rounded once to f64 but for a relative error of some
/// `exponent * 2^-104`.
///
/// The maths libraries that `f64::powf` calls differ from machine to machine in the last bit, and a
/// step size with it; this is made of sums and products alone, in twice the precision.
pub(crate) fn power(base: f64, mut exponent: u64) -> f64 {
    let (mut power, mut square) = ((1.0, 0.0), (base, 0.0));
    while exponent > 0 {
        if exponent & 1 == 1 {
            power = product(power, square);
        }
        square = product(square, square);
        exponent >>= 1;
    }
    power.0
}

/// `base`, `base^2`, `base^4`, ...: what [`power`] has for these exponents.
pub(crate) fn squarings(base: f64) -> impl Iterator<Item = f64> {
    let square = |&square: &Double| Some(product(square, square));
    std::iter::successors(Some((base, 0.0)), square).map(|power| power.0)
}

/// A number as the sum of a f64 and a far smaller one.
type Double = (f64, f64);

/// Dekker's product (1971): without a fused operation, which not every machine has.
fn product(x: Double, y: Double) -> Double {
    let (high, (a, b), (c, d)) = (x.0 * y.0, halves(x.0), halves(y.0));
    let error = ((a * c - high) + a * d + b * c) + b * d;
    let low = error + (x.0 * y.1 + x.1 * y.0);
    let sum = high + low;
    (sum, low - (sum - high))
}

/// Two numbers of 26 bits each whose sum it is.
fn halves(x: f64) -> Double {
    let scaled = 134_217_729.0 * x;
    let high = scaled - (scaled - x);
    (high, x - high)
}

#[cfg(test)]
mod tests {
    use super::{power, squarings};

    #[test]
    fn powers_are_those_of_the_maths_library_but_for_its_last_bit() {
        let mut other = 0;
        for base in [0.0, 0.1, 0.5, 0.8, 0.9, 0.99, 0.999, 0.9999, 1.0 - f64::EPSILON] {
            for exponent in (1..2_000).chain([10_000, 1 << 20, (1 << 24) - 1, 1 << 40]) {
                let (found, expected) = (power(base, exponent), base.powf(exponent as f64));
                let distance = found.to_bits().abs_diff(expected.to_bits());
                // Subnormal numbers have fewer bits, and 1 - x knows nothing of them.
                assert!(distance <= 1 || expected < 1e-290, "{base}^{exponent}: {found:e}");
                other += u32::from(distance > 0 && expected > 1e-290);
            }
        }
        assert!(other < 20, "{other} of 18,000 powers are rounded in another way");
    }

    #[test]
    fn squarings_are_the_powers_of_powers_of_two() {
        for base in [0.0, 0.1, 0.9, 0.999, 0.999_999, 1.0 - f64::EPSILON] {
            for (k, found) in squarings(base).take(40).enumerate() {
                assert_eq!(found.to_bits(), power(base, 1 << k).to_bits(), "{base}^(2^{k})");
            }
        }
    }

    #[test]
    fn powers_are_rounded_once() {
        // As integers have it: 0.9^3 is 0.729, and 0.999^2 is 0.998001, of the f64 nearest to each base.
        assert_eq!(power(0.5, 10), 1.0 / 1024.0);
        assert_eq!(power(0.75, 20).to_bits(), (3_486_784_401.0f64 / 2f64.powi(40)).to_bits());
        assert_eq!((power(0.3, 0), power(0.3, 1)), (1.0, 0.3));
    }
}
