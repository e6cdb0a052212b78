//! Holds results against those of IEEE 754.

use super::cases::Case;
use super::{Findings, OPERATIONS};

/// What one operation makes of a case: each of its roundings, the last of which is the result.
type Roundings = Vec<f32>;

/// `results` are `[OPERATIONS, cases]` bits.
pub(super) fn judge(cases: &[Case], results: &[u32]) -> Findings {
    let mut findings = Findings { cases: cases.len() as u32, ..Findings::default() };
    for (operation, results) in results.chunks(cases.len()).enumerate().take(OPERATIONS) {
        for (case, &found) in cases.iter().zip(results) {
            let numbers = case.map(f32::from_bits);
            findings.hold(operation, numbers, f32::from_bits(found));
        }
    }
    findings
}

/// An operation in f32, rounding by rounding, and the operands it has, some of them twice.
fn expected(operation: usize, [x, y, z, w]: [f32; 4]) -> (Roundings, [f32; 4]) {
    match operation {
        0 => (vec![x + y], [x, y, x, y]),
        1 => (vec![x - y], [x, y, x, y]),
        2 => (vec![x * y], [x, y, x, y]),
        3 => (vec![y * z, y * z + x], [x, y, z, z]),
        4 => (vec![z + w, z + w - z], [z, w, z, w]),
        5 => (vec![y + w, y + w + x, y + w + x + z], [x, y, z, w]),
        6 => (vec![x / y], [x, y, x, y]),
        8 => (vec![x + y, x + y + z, x + y + z + w], [x, y, z, w]),
        _ => (vec![x.sqrt()], [x; 4]),
    }
}

/// The operation `(z + w) - z`.
const FOLDED: usize = 4;

/// Whether it is what it should be; of NaN, all are alike.
fn same(found: f32, expected: f32) -> bool {
    found.to_bits() == expected.to_bits() || (found.is_nan() && expected.is_nan())
}

impl Findings {
    fn hold(&mut self, operation: usize, numbers: [f32; 4], found: f32) {
        let (roundings, operands) = expected(operation, numbers);
        let Some(&result) = roundings.last() else { return };
        if same(found, result) {
            return;
        }
        let met = || operands.iter().chain(&roundings);
        let finite = met().all(|number| number.is_finite());
        let normal = met().all(|number| *number == 0.0 || number.is_normal());
        match (finite, normal) {
            (true, true) => self.hold_normal(operation, numbers, found, result),
            // Where several operations meet such a number, it is not clear which of them is to blame.
            _ if roundings.len() > 1 => {}
            (true, false) => self.flushed += 1,
            // A subnormal divisor that is flushed makes an infinity.
            (false, _) if met().any(|number| number.is_subnormal()) => self.flushed += 1,
            (false, _) => self.not_finite += 1,
        }
    }

    /// A wrong result of normal numbers.
    fn hold_normal(&mut self, operation: usize, [x, y, z, w]: [f32; 4], found: f32, result: f32) {
        match operation {
            0..=2 => self.misrounded += 1,
            FOLDED if found.to_bits() == w.to_bits() => self.folded += 1,
            3 if same(found, y.mul_add(z, x)) => self.fused += 1,
            3..=5 | 8 => self.reordered += 1,
            6 => self.quotient_ulp = self.quotient_ulp.max(distance(found, result)),
            _ => self.root_ulp = self.root_ulp.max(distance(found, result)),
        }
    }
}

/// In units in the last place.
fn distance(a: f32, b: f32) -> u32 {
    if a.is_nan() || b.is_nan() {
        return u32::MAX;
    }
    let place = |x: f32| {
        let magnitude = i64::from(x.to_bits() & !(1 << 31));
        if x.is_sign_negative() { -magnitude } else { magnitude }
    };
    place(a).abs_diff(place(b)) as u32
}
