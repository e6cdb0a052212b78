//! The norm of a step's gradients, and the step that is clipped by it.

use super::double::entry as entry_f64;
use super::rows::{BLOCK, block_sum};
use super::{Gradient, Scalars, Table, clipped, ingest, runs, sort, step_with_scalars};
use crate::{AdamOptions, ClipGradNorm, NormType, Reduction};
use std::collections::BTreeMap;

/// A table that a step updates, its gradient, and its options.
pub type Asked<'a, T> = (&'a Table<T>, &'a Gradient<T>, &'a AdamOptions);

/// The norm of the gradients of a step's tables, as the shaders find it: of each row's sum, the squares or
/// magnitudes are added up in blocks of 16 columns in f32, and all blocks together exactly.
pub fn grad_norm(tables: &[Asked<'_, f32>], scalars: Scalars, norm_type: NormType) -> f32 {
    let blocks = tables.iter().flat_map(|asked| table_blocks(*asked, scalars, norm_type));
    if norm_type == NormType::Infinity {
        // Of numbers that are not below 0, the bits are in their order, and those of a NaN behind all.
        return f32::from_bits(blocks.map(f32::to_bits).max().unwrap_or(0));
    }
    let (mut total, mut special) = (Total::default(), 0.0);
    for block in blocks {
        if block.is_finite() {
            total.add(block);
        } else {
            special += block;
        }
    }
    // An infinity stays one beside anything but a NaN, which stays one beside everything.
    let sum = if special == 0.0 { total.rounded() } else { special };
    if norm_type == NormType::Two { sum.sqrt() } else { sum }
}

/// What gradients are multiplied by, whose norm is to be brought down to `max_norm`.
pub fn clip_factor(norm: f32, max_norm: f64) -> f32 {
    let factor = 1.0 / (norm + 1e-6) * max_norm as f32;
    // Not `min`, which leaves no NaN.
    if factor > 1.0 { 1.0 } else { factor }
}

/// One step of tables whose gradients are clipped by their norm, which is returned. Those without a gradient
/// are left out; `scalars` are those of an optimizer that has none but for the clip, by default.
pub fn step_clipped(
    tables: &mut [Table<f32>],
    grads: &[Option<Gradient<f32>>],
    options: &[AdamOptions],
    scalars: Scalars,
    clip: ClipGradNorm,
) -> f32 {
    let each = tables.iter().zip(grads).zip(options);
    let asked = each.filter_map(|((table, grad), options)| Some((table, grad.as_ref()?, options)));
    let norm = grad_norm(&asked.collect::<Vec<_>>(), scalars, clip.norm_type);
    let grad_scale = scalars.grad_scale * clip_factor(norm, clip.max_norm);
    let scalars = Scalars { grad_scale, ..scalars };
    for ((table, grad), options) in tables.iter_mut().zip(grads).zip(options) {
        if let Some(grad) = grad {
            step_with_scalars(table, grad, scalars, options);
        }
    }
    norm
}

/// The norm of the gradients of a step's tables, by the plain formula in f64.
pub fn grad_norm_f64(tables: &[Asked<'_, f64>], norm_type: NormType) -> f64 {
    let mut norm = 0f64;
    for &(table, grad, options) in tables {
        let rows = table.rows() as i64;
        let mut sums: BTreeMap<(i64, usize), (f64, u32)> = BTreeMap::new();
        let mean = options.duplicates == Reduction::Mean;
        for (&index, values) in grad.indices.iter().zip(grad.values.chunks(table.dim)) {
            for (column, &value) in values.iter().enumerate().filter(|_| (0..rows).contains(&index))
            {
                let (sum, entries) = sums.entry((index, column)).or_default();
                *sum += entry_f64(value, options);
                *entries += 1;
            }
        }
        for (sum, entries) in sums.into_values() {
            let sum = if mean { sum / f64::from(entries) } else { sum };
            norm = match norm_type {
                NormType::One => norm + sum.abs(),
                NormType::Two => norm + sum * sum,
                NormType::Infinity => norm.max(sum.abs()),
            };
        }
    }
    if norm_type == NormType::Two { norm.sqrt() } else { norm }
}

/// Stage `squares`: the blocks of all rows that a gradient names.
fn table_blocks(
    (table, grad, options): Asked<'_, f32>,
    scalars: Scalars,
    norm_type: NormType,
) -> Vec<f32> {
    let grad = clipped(grad, options);
    let grad_scale = options.grad_scale as f32;
    let mean = options.duplicates == Reduction::Mean;
    let measured = |sum: &f32, entries: u32| {
        let sum = if mean { sum / entries as f32 } else { *sum };
        let value = sum * grad_scale * scalars.grad_scale;
        if norm_type == NormType::Two { value * value } else { value.abs() }
    };
    let mut blocks = Vec::new();
    let (mut pairs, _) = ingest(&grad.indices, table.rows(), None);
    sort(&mut pairs);
    for run in runs(&pairs, &grad, table.rows(), table.dim) {
        let measured: Vec<f32> = run.sum.iter().map(|sum| measured(sum, run.entries)).collect();
        blocks.extend(measured.chunks(BLOCK).map(|block| joined(block, norm_type)));
    }
    blocks
}

/// What a block comes to.
fn joined(block: &[f32], norm_type: NormType) -> f32 {
    if norm_type == NormType::Infinity {
        return f32::from_bits(block.iter().map(|value| value.to_bits()).max().unwrap_or(0));
    }
    block_sum(block)
}

/// Stage `norm_sum`: a sum of numbers that are not below 0, in units of the smallest, 2^-149, 32 bits a limb.
#[derive(Default)]
struct Total {
    limbs: [u64; 11],
}

impl Total {
    fn add(&mut self, value: f32) {
        let bits = value.to_bits() & 0x7fff_ffff;
        let (exponent, fraction) = (bits >> 23, u64::from(bits & 0x007f_ffff));
        let (mantissa, shift) =
            if exponent == 0 { (fraction, 0) } else { (fraction | 1 << 23, exponent - 1) };
        let mut carry = mantissa << (shift % 32);
        for limb in &mut self.limbs[shift as usize / 32..] {
            let sum = *limb + carry;
            *limb = sum & u64::from(u32::MAX);
            carry = sum >> 32;
        }
    }

    fn bit(&self, place: usize) -> u32 {
        (self.limbs[place / 32] >> (place % 32) & 1) as u32
    }

    /// To nearest, ties to even.
    fn rounded(&self) -> f32 {
        let Some(top) = (0..32 * self.limbs.len()).rev().find(|&place| self.bit(place) == 1) else {
            return 0.0;
        };
        let lowest = top.saturating_sub(23);
        let mut mantissa = (lowest..=top).rev().fold(0, |bits, place| bits << 1 | self.bit(place));
        let half = lowest > 0 && self.bit(lowest - 1) == 1;
        let rest = (0..lowest.saturating_sub(1)).any(|place| self.bit(place) == 1);
        mantissa += u32::from(half && (rest || mantissa & 1 == 1));
        // The mantissa's own highest bit is one more of the exponent.
        f32::from_bits((((lowest as u32) << 23) + mantissa).min(f32::INFINITY.to_bits()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(values: &[f32]) -> f32 {
        let mut total = Total::default();
        values.iter().for_each(|&value| total.add(value));
        total.rounded()
    }

    #[test]
    fn a_total_is_exact_until_it_is_rounded() {
        let unit = f32::from_bits(1);
        assert_eq!(total(&[]), 0.0);
        assert_eq!(total(&[unit, unit]).to_bits(), 2);
        // Ties go to even, and the smallest number breaks them.
        assert_eq!(total(&[16_777_216.0, 1.0]), 16_777_216.0);
        assert_eq!(total(&[16_777_216.0, 1.0, unit]), 16_777_218.0);
        assert_eq!(total(&[16_777_216.0, 3.0]), 16_777_220.0);
        assert_eq!(total(&[f32::MAX, f32::MAX]), f32::INFINITY);
        // Of numbers of one size, f64 has the sum too.
        let values: Vec<f32> = (1..1000).map(|value| 1.0 / value as f32).collect();
        let wide: f64 = values.iter().map(|&value| f64::from(value)).sum();
        assert_eq!(total(&values), wide as f32);
    }

    #[test]
    fn a_factor_is_torchs() {
        assert_eq!(clip_factor(0.0, 1.0), 1.0);
        assert_eq!(clip_factor(f32::INFINITY, 1.0), 0.0);
        assert!(clip_factor(f32::NAN, 1.0).is_nan());
        assert!((clip_factor(4.0, 1.0) - 0.25).abs() < 1e-6);
    }
}
