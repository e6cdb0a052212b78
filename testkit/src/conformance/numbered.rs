//! The law of rows that draw random bits by numbers of the caller's.

use super::finding::Finding;
use super::setting::Setting;
use crate::{Pair, Stored};
use sparse_adam::{AdamOptions, Error, Format, Rounding};

/// Some rows of a table in a table of their own, in another order, beside that table: each has the bits that it has there.
pub(super) async fn numbered(on: Setting<'_>, finding: &mut Finding) -> Result<(), Error> {
    let formats = [(Format::F16, Format::F32, 3), (Format::F32, Format::Bf16, 8)];
    for (case, (param, moments, dim)) in formats.into_iter().enumerate() {
        let mut rng = on.rng(case as u64);
        let rounding = Rounding::Stochastic { seed: rng.next() as u32 };
        let stored = Stored { param, moments, rounding, values: Format::F32 };
        let (rows, some, options) = (90, 35, AdamOptions::default());
        let tables = [((rows, dim), options, stored), ((some, dim), options, stored)];
        let mut pair = Pair::try_stored((on.gpu, on.tuning), &tables, &mut rng)?;
        // The small table has these rows of the large one.
        let from: Vec<usize> = rng.permutation(rows).iter().map(|&row| row as usize).collect();
        let numbers: Vec<u32> = from[..some].iter().map(|&row| row as u32).collect();
        pair.try_number(1, &numbers)?;
        pair.take_rows(1, 0, &from[..some]);
        for _ in 0..3 {
            let small = rng.gradient(some, dim, 60);
            let mut large = small.clone();
            large.indices.iter_mut().for_each(|row| *row = from[*row as usize] as i64);
            pair.try_step(&[Some(large), Some(small)])?;
        }
        pair.compare(finding).await?;
        let [(large, _), (small, _)] = [pair.try_table(0).await?, pair.try_table(1).await?];
        let same = (0..some).all(|row| {
            let of = |values: &[f32], row: usize| values[row * dim..][..dim].to_vec();
            let parts = [
                (&large.param, &small.param),
                (&large.exp_avg, &small.exp_avg),
                (&large.exp_avg_sq, &small.exp_avg_sq),
            ];
            parts.iter().all(|(large, small)| of(large, from[row]) == of(small, row))
        });
        finding.holds("a row has other bits than the row of its number", same);
    }
    Ok(())
}
