//! The law of tables whose rows move and begin anew.

use super::finding::Finding;
use super::setting::Setting;
use crate::Rng;
use sparse_adam::{AdamOptions, BiasCorrection, Error, ParamRows, RowMap, Status};
use wgpu::CommandEncoderDescriptor;

pub(super) async fn remapped(on: Setting<'_>, finding: &mut Finding) -> Result<(), Error> {
    let mut rng = on.rng(0);
    // Each width, and a row with a count of its own.
    let counted = AdamOptions::default().bias_correction(BiasCorrection::Row);
    let plain = AdamOptions::default();
    let tables = [((90, 3), plain), ((90, 8), counted), ((90, 12), plain)];
    let mut pair = on.pair(&tables, &mut rng)?;
    let mut expected = [Status::default(); 3];
    let mut encoder =
        on.gpu.device.create_command_encoder(&CommandEncoderDescriptor { label: None });
    for rows in [140, 33, 90] {
        let old = pair.twins[0].rows();
        for (table, &((_, dim), _)) in tables.iter().enumerate() {
            pair.try_set(table, &rng.gradient(old, dim, 70))?;
        }
        pair.optimizer.step(&mut encoder)?;
        pair.optimizer.clear_grads();
        let from = map(&mut rng, old, rows);
        let of_map = (from.as_slice(), ParamRows::Copied);
        let counted = pair.try_remap(&mut encoder, &[0, 1, 2], of_map, &mut rng)?;
        let reset: Vec<u32> = (0..9).map(|_| rng.below(rows + 5) as u32).collect();
        let begun = pair.try_reset(&mut encoder, &[0, 1, 2], &reset, 6)?;
        for (expected, (counted, begun)) in expected.iter_mut().zip(counted.iter().zip(begun)) {
            expected.bad_map_row += counted.bad_map_row;
            expected.out_of_range += begun.out_of_range;
        }
    }
    on.gpu.queue.submit([encoder.finish()]);
    for (table, &((_, dim), _)) in tables.iter().enumerate() {
        pair.try_step_table(table, &rng.gradient(90, dim, 70))?;
    }
    for (table, expected) in expected.into_iter().enumerate() {
        finding.equal("rows that are none", pair.try_status(table).await?, expected);
    }
    pair.compare(finding).await
}

/// Rows from anywhere, from none, and from what is no row.
pub(super) fn map(rng: &mut Rng, old: usize, rows: usize) -> Vec<u32> {
    let mut row = |_| match rng.below(6) {
        0 => RowMap::NONE,
        1 => (old + rng.below(3)) as u32,
        _ => rng.below(old) as u32,
    };
    (0..rows).map(&mut row).collect()
}
