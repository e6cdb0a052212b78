//! The total that a norm comes of, on the host, where those of several devices are joined.

use crate::NormType;

/// Digits of 16 bits: those of `shaders/shared/norm_state.wgsl`.
const DIGITS: usize = 20;
/// Of the first number that no f32 holds, 2^128 in units of 2^-149, the digit and the bit in it.
const TOO_LARGE: (usize, u32) = (277 / 16, 277 % 16);
/// An infinity was added; bits of the last word, whose other one stands for a NaN.
const INFINITE: u32 = 1;

/// What the norm of a step's gradients comes of, without rounding: the sum over all blocks of all rows, of squares or
/// magnitudes, as 20 digits of 16 bits (the lowest bit stands for 2^-149) and a word of marks for what is not finite; for
/// [`NormType::Infinity`] the bits of the largest in the first word. [`ClippedStep`](crate::ClippedStep) has
/// it on the GPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NormTotal {
    words: [u32; DIGITS + 1],
}

impl NormTotal {
    /// Its size on the GPU.
    pub const BYTES: u64 = 4 * (DIGITS as u64 + 1);

    /// Of the words that a GPU has: any are a total.
    #[must_use]
    pub const fn new(words: [u32; 21]) -> Self {
        Self { words }
    }

    /// As a GPU is to have it.
    #[must_use]
    pub const fn words(self) -> [u32; 21] {
        self.words
    }

    /// That of the gradients of several devices, each of which has rows of its own, at most 2^32 of them. No order shows in it.
    pub fn joined(norm_type: NormType, totals: impl IntoIterator<Item = Self>) -> Self {
        match norm_type {
            NormType::One | NormType::Two => sum(totals),
            NormType::Infinity => {
                let largest = totals.into_iter().map(|total| total.words[0]).max();
                let mut words = [0; DIGITS + 1];
                words[0] = largest.unwrap_or_default();
                Self { words }
            }
        }
    }
}

/// With the digits carried.
fn sum(totals: impl IntoIterator<Item = NormTotal>) -> NormTotal {
    let (mut sums, mut marks) = ([0u64; DIGITS], 0);
    for NormTotal { words } in totals {
        sums.iter_mut().zip(words).for_each(|(sum, digit)| *sum += u64::from(digit));
        marks |= words[DIGITS];
    }
    let (mut words, mut carry) = ([0; DIGITS + 1], 0);
    for (word, sum) in words.iter_mut().zip(sums) {
        let sum = sum + carry;
        *word = sum as u32 & 0xffff;
        carry = sum >> 16;
    }
    let (digit, bit) = TOO_LARGE;
    if carry > 0 || words[digit] >> bit > 0 || words[digit + 1..DIGITS].iter().any(|&word| word > 0)
    {
        // It would be rounded to an infinity; more of it might not fit the digits.
        words = [0; DIGITS + 1];
        marks |= INFINITE;
    }
    words[DIGITS] = marks;
    NormTotal { words }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sparse_adam_testkit::Rng;
    use sparse_adam_testkit::campaign::fresh_seed;

    /// A value that is not below 0, as `norm_sum` adds it.
    fn of(value: f32) -> NormTotal {
        let mut words = [0; DIGITS + 1];
        let bits = value.to_bits();
        if !value.is_finite() {
            words[DIGITS] = if value.is_nan() { 2 } else { INFINITE };
            return NormTotal { words };
        }
        let exponent = bits >> 23;
        let mantissa = if exponent == 0 { bits } else { bits & 0x7f_ffff | 0x80_0000 };
        let shift = exponent.max(1) - 1;
        let wide = u64::from(mantissa) << (shift % 16);
        for digit in 0..3 {
            words[shift as usize / 16 + digit] = (wide >> (16 * digit)) as u32 & 0xffff;
        }
        NormTotal { words }
    }

    /// The digits as a number where they are few.
    fn low(total: NormTotal) -> u128 {
        assert!(total.words[8..].iter().all(|&word| word == 0));
        (0..8).fold(0, |sum, digit| sum + (u128::from(total.words[digit]) << (16 * digit)))
    }

    #[test]
    fn digits_are_added_and_carried_in_any_grouping() {
        let seed = fresh_seed();
        let mut rng = Rng(seed);
        for _ in 0..200 {
            // Below 2^-60: 89 bits.
            let values: Vec<_> =
                (0..1 + rng.below(9)).map(|_| f32::from_bits(rng.below(67 << 23) as u32)).collect();
            let of_all = NormTotal::joined(NormType::Two, values.iter().copied().map(of));
            let expected: u128 = values.iter().map(|&value| low(of(value))).sum();
            assert_eq!(low(of_all), expected, "seed {seed}");
            let cut = rng.below(values.len() + 1);
            let halves = [&values[..cut], &values[cut..]];
            let halves =
                halves.map(|half| NormTotal::joined(NormType::One, half.iter().copied().map(of)));
            assert_eq!(NormTotal::joined(NormType::Two, halves), of_all, "seed {seed}");
        }
        // As GPUs leave them, digits are not carried.
        let mut raw = [u32::MAX; 21];
        raw[DIGITS] = 0;
        let mut few = [0; 21];
        few[..2].copy_from_slice(&[0x7fff_ffff, 3]);
        let joined = NormTotal::joined(NormType::Two, [NormTotal::new(few); 3]);
        assert_eq!(low(joined), 3 * (0x7fff_ffff + (3 << 16)));
        let joined = NormTotal::joined(NormType::One, [NormTotal::new(raw)]);
        assert_eq!(joined.words()[DIGITS], INFINITE);
    }

    #[test]
    fn what_no_f32_holds_is_infinite_and_marks_stay() {
        let joined = |values: &[f32]| {
            NormTotal::joined(NormType::Two, values.iter().copied().map(of)).words()
        };
        let mut infinite = [0; 21];
        infinite[DIGITS] = INFINITE;
        assert_eq!(joined(&[f32::MAX])[DIGITS], 0);
        assert_eq!(joined(&[f32::MAX, f32::from_bits(1)])[DIGITS], 0, "below 2^128");
        assert_eq!(joined(&[f32::MAX; 2]), infinite);
        assert_eq!(joined(&[1.0, f32::INFINITY])[DIGITS], INFINITE);
        assert_eq!(joined(&[f32::NAN, f32::INFINITY, 0.0])[DIGITS], 3);
        assert_eq!(joined(&[]), [0; 21]);
    }

    #[test]
    fn the_largest_is_found_by_its_bits_and_a_nan_is_larger() {
        let of = |value: f32| {
            let mut words = [0; 21];
            words[0] = value.to_bits();
            NormTotal::new(words)
        };
        let joined =
            |values: &[f32]| NormTotal::joined(NormType::Infinity, values.iter().copied().map(of));
        assert_eq!(joined(&[0.5, 3.0, 2.0]), of(3.0));
        assert_eq!(joined(&[f32::INFINITY, f32::NAN, 2.0]), of(f32::NAN));
        assert_eq!(joined(&[]), NormTotal::default());
    }
}
