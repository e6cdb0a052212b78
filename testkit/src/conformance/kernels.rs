//! One stage by itself, as far as a whole step can show it.
//!
//! With `beta1 = 0` and moments of 0, a row's `exp_avg` after one step is the sum of its value
//! rows and nothing else.

use super::finding::Finding;
use super::setting::Setting;
use crate::trace::{Comparison, Tolerance};
use crate::{Rng, Shape};
use sparse_adam::reference::Gradient;
use sparse_adam::{AdamOptions, Duplicates, Error, IndexDtype, NonFinite};

const ONLY_SUMS: AdamOptions = AdamOptions::new().betas((0.0, 0.999));

pub(super) async fn order(on: Setting<'_>, finding: &mut Finding) -> Result<(), Error> {
    for (case, shape) in [(1, 1), (70, 3), (5000, 4), (70_000, 1)].into_iter().enumerate() {
        let mut rng = on.rng(case as u64);
        let (rows, dim) = shape;
        let grad = Gradient {
            indices: rng.permutation(rows),
            values: (0..rows * dim).map(|value| value as f32).collect(),
        };
        let mut pair = on.pair(&[(shape, ONLY_SUMS)], &mut rng)?;
        pair.try_step_table(0, &grad)?;
        let (found, _) = pair.try_table(0).await?;
        let expected = &pair.twins[0].exp_avg;
        let exact = Tolerance { rtol: 0.0, atol: 0.0 };
        let name = format!("{rows} x {dim}/exp_avg");
        finding.compare(vec![Comparison::new(name, &found.exp_avg, expected, exact)]);
    }
    Ok(())
}

/// Compares the sums of one step.
async fn sums(
    on: Setting<'_>,
    shape: Shape,
    grad: &Gradient<f32>,
    rng: &mut Rng,
    finding: &mut Finding,
) -> Result<(), Error> {
    let mut pair = on.pair(&[(shape, ONLY_SUMS)], rng)?;
    pair.try_step_table(0, grad)?;
    let (found, _) = pair.try_table(0).await?;
    let expected = &pair.twins[0].exp_avg;
    let name = format!("{} x {}, {} entries/exp_avg", shape.0, shape.1, grad.indices.len());
    finding.tensor(on.has_bits(), name, &found.exp_avg, expected);
    Ok(())
}

pub(super) async fn short_sums(on: Setting<'_>, finding: &mut Finding) -> Result<(), Error> {
    for (case, dim) in [1, 4, 7, 64, 132].into_iter().enumerate() {
        let mut rng = on.rng(case as u64);
        let rows = 500;
        let indices = (0..3000).map(|entry| (entry * 7 + case as i64) % rows).collect();
        let grad = Gradient { indices, values: rng.floats(3000 * dim) };
        sums(on, (rows as usize, dim), &grad, &mut rng, finding).await?;
    }
    Ok(())
}

pub(super) async fn long_sums(on: Setting<'_>, finding: &mut Finding) -> Result<(), Error> {
    // One row of several chunks; many rows about as long as a chunk; chunks of chunks of chunks.
    let cases = [(1, 4, 300), (40, 5, 2600), (3, 8, 12_000), (1, 1, 280_000)];
    for (case, (rows, dim, nnz)) in cases.into_iter().enumerate() {
        let mut rng = on.rng(case as u64);
        let indices = (0..nnz).map(|_| rng.below(rows) as i64).collect();
        let grad = Gradient { indices, values: rng.floats(nnz * dim) };
        sums(on, (rows, dim), &grad, &mut rng, finding).await?;
    }
    Ok(())
}

pub(super) async fn update(on: Setting<'_>, finding: &mut Finding) -> Result<(), Error> {
    for (case, dim) in [1, 3, 4, 37, 64, 100, 260].into_iter().enumerate() {
        let mut rng = on.rng(case as u64);
        let rows = 300;
        let options = rng.options();
        let mut pair = on.pair(&[((rows, dim), options)], &mut rng)?;
        for _ in 0..8 {
            let mut indices = rng.permutation(rows);
            indices.truncate(200);
            let grad = Gradient { indices, values: rng.floats(200 * dim) };
            pair.try_step_table(0, &grad)?;
        }
        pair.compare(finding).await?;
    }
    Ok(())
}

pub(super) async fn inspect(on: Setting<'_>, finding: &mut Finding) -> Result<(), Error> {
    let cases = [(3, false), (4, false), (4, true), (65, false)];
    for (case, (dim, weighted)) in cases.into_iter().enumerate() {
        let mut rng = on.rng(case as u64);
        let mut pair = on.single((50, dim), &mut rng)?;
        let mut grad = rng.gradient(50, dim, 120);
        // Two entries on rows of their own, one on a shared row.
        let wrong = [(5, 48, f32::NAN), (6, 49, f32::INFINITY), (70, 0, f32::NEG_INFINITY)];
        for (entry, row, value) in wrong {
            grad.indices[entry] = row;
            grad.values[entry * dim + dim - 1] = value;
        }
        let ones = pair.hold(&[1.0f32; 120]);
        let set = pair.sparse_grad(&grad, IndexDtype::U32);
        let set = if weighted { set.weights(ones) } else { set };
        let skipped = set.clone().non_finite(NonFinite::Skipped);
        pair.try_step_as(0, skipped, &finite(&grad, dim))?;
        pair.compare(finding).await?;
        finding.equal("entries skipped", pair.try_status(0).await?.non_finite, 3);
        // What comes of them once they are applied is WGSL's to say only where it is exact.
        pair.optimizer.set_grad(pair.ids[0], set.non_finite(NonFinite::Counted))?;
        pair.try_submit_step()?;
        finding.equal("entries counted too", pair.try_status(0).await?.non_finite, 6);
        if on.has_bits() {
            let (found, _) = pair.try_table(0).await?;
            let of_infinity = found.param[50 * dim - 1];
            finding.holds("an applied infinity gives no NaN", of_infinity.is_nan());
        }
    }
    Ok(())
}

/// A gradient without the entries that are not finite.
fn finite(grad: &Gradient<f32>, dim: usize) -> Gradient<f32> {
    let mut finite = Gradient::default();
    for (&index, row) in grad.indices.iter().zip(grad.values.chunks(dim)) {
        if row.iter().all(|value| value.is_finite()) {
            finite.indices.push(index);
            finite.values.extend(row);
        }
    }
    finite
}

pub(super) async fn repeats(on: Setting<'_>, finding: &mut Finding) -> Result<(), Error> {
    let mut rng = on.rng(0);
    let mut pair = on.single((50, 4), &mut rng)?;
    let indices = vec![4, 9, 4, -1, 7, 9, 4, -1];
    let grad = Gradient { values: rng.floats(4 * indices.len()), indices };
    let set = pair.sparse_grad(&grad, IndexDtype::I32).duplicates(Duplicates::NoneChecked);
    pair.try_step_as(0, set, &grad)?;
    pair.compare(finding).await?;
    let status = pair.try_status(0).await?;
    finding.equal("repeated, out of range", (status.repeated, status.out_of_range), (3, 2));
    Ok(())
}
