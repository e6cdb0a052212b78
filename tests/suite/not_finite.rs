//! Gradients with infinities and NaN, applied: what the twin has, the adapter has.

use sparse_adam_testkit::campaign::fresh_seed;
use sparse_adam_testkit::{Pair, Rng, other_variants, variants};

/// The same bits, or both not a number.
fn same(found: &[f32], expected: &[f32]) -> Option<usize> {
    let differ = |(a, b): (&f32, &f32)| a.to_bits() != b.to_bits() && !(a.is_nan() && b.is_nan());
    found.iter().zip(expected).position(differ)
}

/// The first table has the twin's bits, and NaN, of any bits, where the twin has NaN.
pub fn assert_same_or_nan(pair: &Pair<'_>, what: &str) {
    let (found, twin) = (pair.table(0), &pair.twins[0]);
    for (name, found, expected) in [
        ("param", &found.param, &twin.param),
        ("exp_avg", &found.exp_avg, &twin.exp_avg),
        ("exp_avg_sq", &found.exp_avg_sq, &twin.exp_avg_sq),
    ] {
        let at = same(found, expected);
        let on = format!("{what}, {name} on {}", pair.gpu.describe());
        assert!(at.is_none(), "{on}: {:?}", at.map(|at| (at, found[at], expected[at])));
    }
}

#[test]
fn what_becomes_of_values_that_are_not_finite_is_what_the_twin_has() {
    for (gpu, tuning) in variants().into_iter().chain(other_variants()) {
        if !gpu.has_bits_of_twin(&tuning) {
            continue;
        }
        for dim in [3, 8] {
            let mut rng = Rng(fresh_seed());
            let (mut pair, rows) = (Pair::single((gpu, tuning), 60, dim, &mut rng), 60);
            for _ in 0..6 {
                let mut grad = rng.gradient(rows, dim, 150);
                for _ in 0..6 {
                    let special = [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 3e38, -3e38];
                    let at = rng.below(grad.values.len());
                    grad.values[at] = special[rng.below(special.len())];
                }
                pair.step(&[Some(grad)]);
            }
            assert!(pair.twins[0].param.iter().any(|value| value.is_nan()), "nothing was tried");
            assert_same_or_nan(&pair, "values that are not finite");
        }
    }
}
