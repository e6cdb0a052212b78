//! Laws of the whole step.

use super::finding::Finding;
use super::setting::Setting;
use crate::{Named, Pair, Rng, Shape};
use sparse_adam::reference::{Gradient, Table};
use sparse_adam::{AdamOptions, Error, IndexDtype, StateDict};
use wgpu::CommandEncoderDescriptor;

pub(super) async fn twin(on: Setting<'_>, finding: &mut Finding) -> Result<(), Error> {
    let dims = [1, 2, 3, 4, 7, 8, 16, 37, 64, 100, 132, 260];
    let sizes = [1, 2, 63, 64, 65, 200, 1023, 1024, 1025, 4097];
    for (case, dim) in dims.into_iter().enumerate() {
        let mut rng = on.rng(case as u64);
        let shape = (1 + rng.below(3000), dim);
        let options = rng.options();
        let mut pair = on.pair(&[(shape, options)], &mut rng)?;
        for step in 0..3 {
            let nnz = sizes[(case + 3 * step) % sizes.len()];
            pair.try_step_table(0, &rng.gradient(shape.0, shape.1, nnz))?;
        }
        pair.compare(finding).await?;
    }
    Ok(())
}

/// Lengths of rows that people use, and those around every width and slice.
const WIDE: [usize; 19] = [
    255, 256, 257, 300, 301, 512, 513, 601, 768, 1000, 1024, 1536, 2050, 4096, 12_288, 65_535,
    65_536, 65_537, 99_999,
];

pub(super) async fn wide_rows(on: Setting<'_>, finding: &mut Finding) -> Result<(), Error> {
    let mut rng = on.rng(0);
    let most = |dim: usize| (600_000 / dim).max(2);
    let tables = WIDE.map(|dim| ((1 + rng.below(most(dim)), dim), AdamOptions::default()));
    let mut pair = on.pair(&tables, &mut rng)?;
    // One table a step, so that small steps are among them.
    for (number, (shape, _)) in tables.into_iter().enumerate() {
        for _ in 0..2 {
            let (named, nnz) = (Named::any(&mut rng), 1 + rng.below(most(shape.1)));
            pair.try_step_table(number, &named.gradient(&mut rng, shape, nnz))?;
        }
    }
    pair.compare(finding).await
}

pub(super) async fn many_tables(on: Setting<'_>, finding: &mut Finding) -> Result<(), Error> {
    for case in 0..4 {
        let mut rng = on.rng(case);
        let mut table = |_| {
            let shape = (1 + rng.below(500), 1 + rng.below(40));
            (shape, rng.options())
        };
        let tables: Vec<_> = (0..9).map(&mut table).collect();
        let mut pair = on.pair(&tables, &mut rng)?;
        for _ in 0..3 {
            pair.optimizer.zero_grad(true);
            for (number, &(shape, _)) in tables.iter().enumerate() {
                let nnz = rng.below(300);
                if rng.below(4) > 0 {
                    pair.try_set(number, &rng.gradient(shape.0, shape.1, nnz))?;
                }
            }
            pair.try_submit_step()?;
        }
        pair.compare(finding).await?;
    }
    Ok(())
}

pub(super) async fn out_of_range(on: Setting<'_>, finding: &mut Finding) -> Result<(), Error> {
    let outside = [
        (IndexDtype::U32, [100, 0xffff_ffff]),
        (IndexDtype::I32, [100, -1]),
        (IndexDtype::I64, [-1, 1 << 32]),
        (IndexDtype::I64, [100, i64::MIN]),
    ];
    let tables = [((100, 3), AdamOptions::default()), ((5, 2), AdamOptions::default())];
    for (case, (format, outside)) in outside.into_iter().enumerate() {
        let mut rng = on.rng(case as u64);
        let mut pair = on.pair(&tables, &mut rng)?;
        let mut grad = rng.gradient(100, 3, 40);
        for (entry, index) in outside.into_iter().enumerate() {
            grad.indices[7 * entry + 3] = index;
        }
        let set = pair.sparse_grad(&grad, format);
        let refused = pair.try_set_as(0, set, &grad)?;
        pair.try_submit_step()?;
        pair.compare(finding).await?;
        let status = pair.try_status(0).await?;
        finding.equal("refused", status, refused);
        finding.equal("out of range", status.out_of_range, 2);
        finding.holds("the other table refused something", pair.try_status(1).await?.is_clean());
    }
    Ok(())
}

pub(super) async fn untouched(on: Setting<'_>, finding: &mut Finding) -> Result<(), Error> {
    let (mut rng, dim) = (on.rng(0), 12);
    let mut pair = on.single((1000, dim), &mut rng)?;
    let before = pair.twins[0].param.clone();
    let mut grad = rng.gradient(1000, dim, 50);
    grad.indices.iter_mut().for_each(|index| *index |= 1);
    pair.try_step_table(0, &grad)?;
    let (after, _) = pair.try_table(0).await?;
    let even = |values: &[f32]| -> Vec<u32> {
        values.chunks(dim).step_by(2).flatten().map(|value| value.to_bits()).collect()
    };
    finding.holds("a row not named has other bits", even(&before) == even(&after.param));
    finding.holds("no row changed", before != after.param);
    pair.compare(finding).await
}

/// A table that the seed decides, after one step of `grad`.
async fn after(on: Setting<'_>, shape: Shape, grad: &Gradient<f32>) -> Result<Table<f32>, Error> {
    let mut pair = on.single(shape, &mut on.rng(1000))?;
    pair.try_step_table(0, grad)?;
    Ok(pair.try_table(0).await?.0)
}

pub(super) async fn repeatable(on: Setting<'_>, finding: &mut Finding) -> Result<(), Error> {
    let shape = (300, 20);
    let grad = on.rng(0).gradient(shape.0, shape.1, 5000);
    let first = after(on, shape, &grad).await?;
    for _ in 0..5 {
        finding.holds("other bits the next time", after(on, shape, &grad).await? == first);
    }
    Ok(())
}

pub(super) async fn invariant(on: Setting<'_>, finding: &mut Finding) -> Result<(), Error> {
    let (shape, row) = ((400, 24), 123);
    let dim = shape.1;
    let mut rng = on.rng(0);
    let alone = Gradient { indices: vec![row; 700], values: rng.floats(700 * dim) };
    let crowd = in_a_crowd(&alone, shape, &mut rng);
    let expected = after(on, shape, &alone).await?;
    let tables = [(shape, AdamOptions::default()), ((77, 3), AdamOptions::default())];
    let mut pair = on.pair(&tables, &mut on.rng(1000))?;
    pair.try_set(0, &crowd)?;
    pair.try_set(1, &rng.gradient(77, 3, 900))?;
    pair.try_submit_step()?;
    let (found, _) = pair.try_table(0).await?;
    let of_row = |values: &[f32]| values[row as usize * dim..][..dim].to_vec();
    finding.holds("param has other bits", of_row(&found.param) == of_row(&expected.param));
    finding.holds("exp_avg has other bits", of_row(&found.exp_avg) == of_row(&expected.exp_avg));
    let (found, expected) = (of_row(&found.exp_avg_sq), of_row(&expected.exp_avg_sq));
    finding.holds("exp_avg_sq has other bits", found == expected);
    Ok(())
}

/// The entries of `alone`, of one row and in their order, in the midst of others.
fn in_a_crowd(alone: &Gradient<f32>, (rows, dim): Shape, rng: &mut Rng) -> Gradient<f32> {
    let mut crowd = Gradient::default();
    for (&row, entry) in alone.indices.iter().zip(alone.values.chunks(dim)) {
        for _ in 0..rng.below(6) {
            let other = rng.below(rows) as i64;
            crowd.indices.push(if other == row { 0 } else { other });
            crowd.values.extend(rng.floats(dim));
        }
        crowd.indices.push(row);
        crowd.values.extend(entry);
    }
    crowd
}

pub(super) async fn one_encoder(on: Setting<'_>, finding: &mut Finding) -> Result<(), Error> {
    let (shape, rng) = ((200, 9), &mut on.rng(0));
    let steps =
        [(rng.gradient(shape.0, shape.1, 300), 0.1), (rng.gradient(shape.0, shape.1, 150), 0.002)];
    let mut separate = on.single(shape, &mut on.rng(1000))?;
    let mut together = on.single(shape, &mut on.rng(1000))?;
    let label = Some("two steps");
    let mut encoder = on.gpu.device.create_command_encoder(&CommandEncoderDescriptor { label });
    for (grad, lr) in &steps {
        for pair in [&mut separate, &mut together] {
            let group = pair.optimizer.group_of(pair.ids[0])?;
            pair.optimizer.set_lr(group, *lr)?;
            pair.try_set(0, grad)?;
        }
        separate.try_submit_step()?;
        together.optimizer.step(&mut encoder)?;
    }
    on.gpu.queue.submit([encoder.finish()]);
    let (separate, together) = (separate.try_table(0).await?.0, together.try_table(0).await?.0);
    finding.holds("one encoder and two submits differ", separate == together);
    Ok(())
}

pub(super) async fn empty(on: Setting<'_>, finding: &mut Finding) -> Result<(), Error> {
    let mut pair = on.single((30, 4), &mut on.rng(0))?;
    pair.try_submit_step()?;
    finding.equal("counted without a gradient", pair.try_table(0).await?.0.step, 0);
    pair.try_step_table(0, &Gradient::default())?;
    let nowhere = Gradient { indices: vec![-1; 300], values: vec![1.0; 1200] };
    let set = pair.sparse_grad(&nowhere, IndexDtype::I32);
    pair.try_step_as(0, set, &nowhere)?;
    pair.compare(finding).await?;
    finding.equal("counted with empty gradients", pair.try_table(0).await?.0.step, 2);
    // Zeroed to an empty gradient, the next step counts; zeroed to none, it does not.
    for (to_none, what) in [(false, "zeroed to an empty one"), (true, "zeroed to none")] {
        pair.optimizer.zero_grad(to_none);
        pair.try_submit_step()?;
        finding.equal(what, pair.try_table(0).await?.0.step, 3);
    }
    Ok(())
}

pub(super) async fn state_dict(on: Setting<'_>, finding: &mut Finding) -> Result<(), Error> {
    let mut rng = on.rng(0);
    let shapes = [(40, 3), (9, 8), (5, 1)];
    let tables = shapes.map(|shape| (shape, rng.options()));
    let mut pair = on.pair(&tables, &mut rng)?;
    for _ in 0..2 {
        // The last table never has a gradient, so it has no state.
        pair.try_set(0, &rng.gradient(shapes[0].0, shapes[0].1, 100))?;
        pair.try_set(1, &rng.gradient(shapes[1].0, shapes[1].1, 30))?;
        pair.try_submit_step()?;
    }
    pair.compare(finding).await?;
    let saved = pair.optimizer.state_dict().await?;
    finding.equal("parameters with state", saved.state.keys().copied().collect(), vec![0, 1]);
    for (number, state) in &saved.state {
        let (rows, dim) = shapes[*number];
        finding.equal("shape", &*state.shape, &[rows as u32, dim as u32]);
    }
    let options: Vec<_> = saved.param_groups.iter().map(|group| group.options).collect();
    finding.equal("options", options, tables.map(|(_, options)| options).to_vec());
    load_and_go_on(on, pair, &saved, &mut rng, finding).await
}

/// A saved state in an optimizer that knew nothing: the next step is as if nothing had happened.
async fn load_and_go_on(
    on: Setting<'_>,
    mut pair: Pair<'_>,
    saved: &StateDict,
    rng: &mut Rng,
    finding: &mut Finding,
) -> Result<(), Error> {
    pair.try_restart(on.tuning, saved)?;
    let loaded = pair.optimizer.state_dict().await?;
    finding.holds("the dict loaded is not the dict saved", loaded == *saved);
    pair.try_step_table(0, &rng.gradient(40, 3, 60))?;
    pair.compare(finding).await
}
