//! Rows of a state: fields of f32 on the host, words on the device (`shaders/shared/moments_{f32,bf16}.wgsl`).

use crate::{Format, narrow};

/// Adds the words of a row, given field by field.
pub(super) fn push(moments: Format, row: &[&[f32]], words: &mut Vec<u32>) {
    let mut rest = row;
    if let (Format::Bf16 | Format::F16, [first, second, others @ ..]) = (moments, row) {
        let half = |&value: &f32| u32::from(narrow::nearest(moments, value));
        words.extend(first.iter().zip(*second).map(|(low, high)| half(low) | half(high) << 16));
        rest = others;
    }
    rest.iter().for_each(|field| words.extend_from_slice(bytemuck::cast_slice(field)));
}

/// Adds the values of whole rows of `dim` to their fields.
pub(super) fn take(moments: Format, words: &[u32], dim: usize, fields: &mut [Vec<f32>]) {
    let is_narrow = moments.is_narrow() && fields.len() > 1;
    let per_row = fields.len() - usize::from(is_narrow);
    for row in words.chunks_exact(per_row * dim) {
        let mut parts = row.chunks_exact(dim);
        let (both, others) = fields.split_at_mut(if is_narrow { 2 } else { 0 });
        if is_narrow {
            let part = parts.next().unwrap_or_default();
            for (field, shift) in both.iter_mut().zip([0, 16]) {
                let halves = part.iter().map(|&word| (word >> shift) as u16);
                field.extend(halves.map(|half| narrow::value(moments, half)));
            }
        }
        for (field, part) in others.iter_mut().zip(parts) {
            field.extend_from_slice(bytemuck::cast_slice(part));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_from_their_words() {
        let values = |start: i16| (start..start + 6).map(f32::from).collect::<Vec<_>>();
        for (moments, words) in [(Format::F32, 18), (Format::Bf16, 12)] {
            let fields = [values(1), values(40), values(100)];
            let mut lain = Vec::new();
            for row in 0..2 {
                let row: Vec<_> = fields.iter().map(|field| &field[3 * row..][..3]).collect();
                push(moments, &row, &mut lain);
            }
            assert_eq!(lain.len(), words);
            let mut found = vec![Vec::new(); 3];
            take(moments, &lain, 3, &mut found);
            assert_eq!(found, fields);
        }
    }
}
