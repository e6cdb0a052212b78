//! Laws of gradients whose values are found in other ways than one row per entry.

use super::finding::Finding;
use super::setting::Setting;
use crate::encode;
use sparse_adam::reference::{Gradient, gather_values};
use sparse_adam::{AdamOptions, Duplicates, Error, IndexDtype, SparseGrad};

pub(super) async fn shared_rows(on: Setting<'_>, finding: &mut Finding) -> Result<(), Error> {
    let cases = [(8, false), (8, true), (5, false), (5, true), (100, true)];
    for (case, (dim, weighted)) in cases.into_iter().enumerate() {
        let mut rng = on.rng(case as u64);
        let mut pair = on.single((60, dim), &mut rng)?;
        for _ in 0..2 {
            let (bag, map) = rng.bags(60, dim, 150);
            let weights = rng.floats(map.len());
            let indices = pair.hold(&encode(&bag.indices, IndexDtype::U32));
            let (values, value_map) = (pair.hold(&bag.values), pair.hold(&map));
            let grad = SparseGrad::new(indices, values, map.len() as u32).value_map(value_map, 150);
            let grad = if weighted { grad.weights(pair.hold(&weights)) } else { grad };
            let weights = weighted.then_some(&*weights);
            let values = gather_values(&bag.values, dim, &map, weights);
            pair.try_step_as(0, grad, &Gradient { indices: bag.indices, values })?;
        }
        pair.compare(finding).await?;
    }
    Ok(())
}

pub(super) async fn dense_rows(on: Setting<'_>, finding: &mut Finding) -> Result<(), Error> {
    for (case, dim) in [3, 8].into_iter().enumerate() {
        let (mut rng, rows) = (on.rng(case as u64), 70);
        let mut pair = on.single((rows, dim), &mut rng)?;
        let dense = rng.floats(rows * dim);
        let named: Vec<i64> = (0..200).map(|_| rng.below(rows / 2) as i64).collect();
        let indices = pair.hold(&encode(&named, IndexDtype::I32));
        let values = pair.hold(&dense);
        let grad = SparseGrad::of_rows(indices, values, 200).index_dtype(IndexDtype::I32);
        let mut once = named;
        once.sort_unstable();
        once.dedup();
        let map: Vec<u32> = once.iter().map(|&row| row as u32).collect();
        let values = gather_values(&dense, dim, &map, None);
        pair.try_step_as(0, grad, &Gradient { indices: once, values })?;
        pair.compare(finding).await?;
    }
    Ok(())
}

pub(super) async fn gpu_count(on: Setting<'_>, finding: &mut Finding) -> Result<(), Error> {
    let mut rng = on.rng(0);
    let mut pair = on.single((50, 6), &mut rng)?;
    for count in [0u32, 1, 77, 300, 1000] {
        let full = rng.gradient(50, 6, 300);
        let held = pair.hold(&[count]);
        let grad = pair.sparse_grad(&full, IndexDtype::U32).count(held);
        let live = count.min(300) as usize;
        let same = Gradient {
            indices: full.indices[..live].to_vec(),
            values: full.values[..live * 6].to_vec(),
        };
        pair.try_step_as(0, grad, &same)?;
    }
    pair.compare(finding).await?;
    let mut status = pair.try_status(0).await?;
    // The last count.
    finding.equal("counts above the capacity", status.over_capacity, 1);
    status.over_capacity = 0;
    finding.holds("something else was refused", status.is_clean());
    Ok(())
}

pub(super) async fn accumulated(on: Setting<'_>, finding: &mut Finding) -> Result<(), Error> {
    for (case, dim) in [4, 7].into_iter().enumerate() {
        let mut rng = on.rng(case as u64);
        let mut pair = on.single((60, dim), &mut rng)?;
        let mut all = rng.gradient(60, dim, 150);
        pair.try_set_grad(0, &all)?;
        let (bag, map) = rng.bags(60, dim, 20);
        let weights = rng.floats(map.len());
        let indices = pair.hold(&encode(&bag.indices, IndexDtype::U32));
        let (values, value_map) = (pair.hold(&bag.values), pair.hold(&map));
        let second = SparseGrad::new(indices, values, map.len() as u32).value_map(value_map, 20);
        let second = second.weights(pair.hold(&weights));
        pair.optimizer.accumulate_grad(pair.ids[0], second)?;
        all.values.extend(gather_values(&bag.values, dim, &map, Some(&weights)));
        all.indices.extend(bag.indices);
        let counted = rng.gradient(60, dim, 90);
        let count = pair.hold(&[50u32]);
        let third = pair.sparse_grad(&counted, IndexDtype::I64).count(count);
        pair.optimizer.accumulate_grad(pair.ids[0], third)?;
        all.indices.extend(&counted.indices[..50]);
        all.values.extend(&counted.values[..50 * dim]);
        pair.step_twin(0, &all);
        pair.try_submit_step()?;
        pair.compare(finding).await?;
    }
    Ok(())
}

pub(super) async fn promise(on: Setting<'_>, finding: &mut Finding) -> Result<(), Error> {
    let mut rng = on.rng(0);
    let (wide, narrow) = ((900, 12), (300, 5));
    let tables = [(wide, AdamOptions::default()), (narrow, AdamOptions::default())];
    let mut pair = on.pair(&tables, &mut rng)?;
    let mut indices = rng.permutation(900);
    indices[17] = -1;
    let promised = Gradient { indices, values: rng.floats(900 * 12) };
    let grad = pair.sparse_grad(&promised, IndexDtype::I32).duplicates(Duplicates::None);
    pair.try_set_as(0, grad, &promised)?;
    pair.try_set(1, &rng.gradient(narrow.0, narrow.1, 1000))?;
    pair.try_submit_step()?;
    pair.compare(finding).await?;
    let grad = pair.sparse_grad(&promised, IndexDtype::I32).duplicates(Duplicates::None);
    pair.try_step_as(0, grad, &promised)?;
    pair.compare(finding).await?;
    // Alone, it needs no sort: ingest and update.
    finding.equal("dispatches", pair.optimizer.dispatches(), 2);
    finding.equal("out of range", pair.try_status(0).await?.out_of_range, 2);
    Ok(())
}
