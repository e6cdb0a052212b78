//! The law of tables that have one index list.

use super::finding::Finding;
use super::growing::map;
use super::setting::Setting;
use crate::{Pair, Rng, encode};
use sparse_adam::reference::{Gradient, gather_values};
use sparse_adam::{
    AdamOptions, BiasCorrection, Error, IndexDtype, IndexList, ParamRows, Region, Status,
};
use wgpu::CommandEncoderDescriptor;

pub(super) async fn shared_list(on: Setting<'_>, finding: &mut Finding) -> Result<(), Error> {
    let mut rng = on.rng(0);
    let counted = AdamOptions::default().bias_correction(BiasCorrection::Row);
    let tables = [((80, 3), AdamOptions::default()), ((80, 8), counted), ((80, 12), rng.options())];
    let mut pair = on.pair(&tables, &mut rng)?;
    let mut expected = [Status::default(); 3];
    for (nnz, weighted) in [(60, false), (900, true), (70, true)] {
        set(&mut pair, &mut rng, (nnz, weighted), &mut expected)?;
        pair.try_submit_step()?;
        pair.optimizer.clear_grads();
        let old = pair.twins[0].rows();
        let new = [old / 2, 2 * old][rng.below(2)];
        let from = map(&mut rng, old, new);
        let label = Some("rows that move");
        let mut encoder = on.gpu.device.create_command_encoder(&CommandEncoderDescriptor { label });
        let of_map = (from.as_slice(), ParamRows::Copied);
        let counted = pair.try_remap(&mut encoder, &[0, 1, 2], of_map, &mut rng)?;
        on.gpu.queue.submit([encoder.finish()]);
        for (expected, counted) in expected.iter_mut().zip(counted) {
            expected.bad_map_row += counted.bad_map_row;
        }
    }
    pair.compare(finding).await?;
    for (table, expected) in expected.into_iter().enumerate() {
        finding.equal("counted", pair.try_status(table).await?, expected);
    }
    Ok(())
}

/// Gives all tables one list of `nnz` entries, one of which is outside, and steps their twins.
fn set(
    pair: &mut Pair<'_>,
    rng: &mut Rng,
    (nnz, weighted): (usize, bool),
    expected: &mut [Status],
) -> Result<(), Error> {
    let rows = pair.twins[0].rows();
    let mut indices = rng.gradient(rows, 1, nnz).indices;
    indices[nnz / 2] = rows as i64;
    let weights = weighted.then(|| rng.floats(nnz));
    let dtype = [IndexDtype::U32, IndexDtype::I32, IndexDtype::I64][rng.below(3)];
    let held = pair.hold(&encode(&indices, dtype));
    let mut list = IndexList::new(held, nnz as u32).index_dtype(dtype);
    if let Some(weights) = &weights {
        list = list.weights(pair.hold(weights));
    }
    let own: Vec<u32> = (0..nnz as u32).collect();
    let mut all: Vec<(_, Region)> = Vec::new();
    for (table, expected) in expected.iter_mut().enumerate() {
        let dim = pair.twins[table].dim;
        let values = rng.floats(nnz * dim);
        all.push((pair.ids[table], pair.hold(&values)));
        let values = gather_values(&values, dim, &own, weights.as_deref());
        let refused = pair.step_twin(table, &Gradient { indices: indices.clone(), values });
        expected.out_of_range += refused.out_of_range;
    }
    pair.optimizer.set_grads(list, all)
}
