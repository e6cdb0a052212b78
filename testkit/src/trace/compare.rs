//! How far two tensors are apart.

use serde::{Deserialize, Serialize};

/// `a` is within tolerance of `b` where `|a - b| <= atol + rtol * |b|`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tolerance {
    /// Relative part.
    pub rtol: f64,
    /// Absolute part.
    pub atol: f64,
}

/// The largest differences between a tensor and what was expected of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// `<k>/<p>/param`, `/exp_avg` or `/exp_avg_sq`.
    pub name: String,
    /// Largest absolute difference.
    pub max_abs: f64,
    /// Largest difference relative to the expected element, over those that are not 0.
    pub max_rel: f64,
    /// Largest distance in units in the last place: steps between neighbouring f32.
    pub max_ulp: u64,
    /// Whether every element is within tolerance.
    pub within: bool,
}

impl Comparison {
    /// Compares element by element. Different lengths, and NaN on one side only, are infinitely
    /// far apart.
    pub fn new(name: String, found: &[f32], expected: &[f32], tolerance: Tolerance) -> Self {
        let mut result = Self { name, max_abs: 0.0, max_rel: 0.0, max_ulp: 0, within: true };
        if found.len() != expected.len() {
            return Self { max_abs: f64::MAX, max_rel: f64::MAX, within: false, ..result };
        }
        for (&a, &b) in found.iter().zip(expected) {
            if a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()) {
                continue;
            }
            let (wide_a, wide_b) = (f64::from(a), f64::from(b));
            let apart = (wide_a - wide_b).abs();
            // Written so that a NaN fails; JSON has no infinity, so the largest f64 stands in.
            result.within &= apart <= tolerance.atol + tolerance.rtol * wide_b.abs();
            let apart = if apart.is_finite() { apart } else { f64::MAX };
            result.max_abs = result.max_abs.max(apart);
            if b != 0.0 && b.is_finite() {
                result.max_rel = result.max_rel.max((apart / wide_b.abs()).min(f64::MAX));
            }
            result.max_ulp = result.max_ulp.max(ordered(a).abs_diff(ordered(b)));
        }
        result
    }

    /// Takes in another comparison: the larger of each difference.
    pub(crate) fn widen(&mut self, other: &Self) {
        self.max_abs = self.max_abs.max(other.max_abs);
        self.max_rel = self.max_rel.max(other.max_rel);
        self.max_ulp = self.max_ulp.max(other.max_ulp);
        self.within &= other.within;
    }
}

/// An integer that counts f32 in order, both zeros alike.
fn ordered(value: f32) -> i64 {
    let magnitude = i64::from(value.to_bits() & 0x7fff_ffff);
    if value.is_sign_negative() { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXACT: Tolerance = Tolerance { rtol: 0.0, atol: 0.0 };

    fn compare(found: &[f32], expected: &[f32]) -> Comparison {
        Comparison::new("t".into(), found, expected, EXACT)
    }

    #[test]
    fn neighbours_are_one_unit_apart_also_across_zero() {
        let one_up = f32::from_bits(1.0f32.to_bits() + 1);
        assert_eq!(compare(&[one_up], &[1.0]).max_ulp, 1);
        let tiny = f32::from_bits(1);
        assert_eq!(compare(&[tiny], &[-tiny]).max_ulp, 2);
        assert!(compare(&[0.0], &[-0.0]).within);
    }

    #[test]
    fn a_lone_nan_and_a_wrong_length_fail() {
        assert!(!compare(&[f32::NAN], &[1.0]).within);
        assert!(!compare(&[1.0], &[f32::NAN]).within);
        assert!(compare(&[f32::NAN], &[f32::NAN]).within);
        assert!(!compare(&[1.0], &[1.0, 1.0]).within);
    }
}
