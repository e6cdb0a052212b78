//! Gradients clipped by the norm of all of a step's.

mod edges;
mod halves;

use pollster::block_on;
use sparse_adam::reference::{self, Gradient, Scalars as Known, Table};
use sparse_adam::{
    AdamOptions, Clip, ClipGradNorm, Duplicates, Format, IndexDtype, NormType, Reduction, Scalars,
    SecondMoment, Tuning, WeightDecay,
};
use sparse_adam_testkit::campaign::fresh_seed;
use sparse_adam_testkit::headless::Gpu;
use sparse_adam_testkit::{Pair, Rng, Stored, drawn_variants, gpus, variants};
use wgpu::Limits;

const TYPES: [NormType; 3] = [NormType::Two, NormType::One, NormType::Infinity];

/// Shapes of four tables, of every width and of more blocks than one.
const SHAPES: [[(usize, usize); 4]; 3] = [
    [(300, 8), (90, 3), (40, 16), (1, 1)],
    [(60, 33), (500, 4), (70, 50), (9, 64)],
    [(12, 300), (40, 768), (7, 1024), (200, 1)],
];

/// Any rule; of entries clipped too.
fn rule(rng: &mut Rng) -> AdamOptions {
    let options = AdamOptions::default().lr(0.01).maximize(rng.below(2) == 1);
    let options = rng.rule(options);
    if rng.below(3) == 0 {
        options.clip(Clip::Entries(0.2 + 0.5 * rng.fraction()))
    } else {
        options
    }
}

fn any_clip(rng: &mut Rng) -> ClipGradNorm {
    // Norms of the gradients here lie around 10.
    ClipGradNorm::new(10f64.powf(3.0 * rng.fraction() - 1.0)).norm_type(TYPES[rng.below(3)])
}

/// One step of both sides with the gradients clipped, which compares norms and tables.
fn step(
    pair: &mut Pair<'_>,
    grads: &[Option<Gradient<f32>>],
    known: Known,
    clip: ClipGradNorm,
    what: &str,
) {
    step_unchecked(pair, grads, known, clip, what);
    pair.assert_equal(what);
}

/// Checks the norm alone.
fn step_unchecked(
    pair: &mut Pair<'_>,
    grads: &[Option<Gradient<f32>>],
    known: Known,
    clip: ClipGradNorm,
    what: &str,
) {
    pair.optimizer.set_clip_grad_norm(Some(clip)).unwrap();
    pair.optimizer.zero_grad(true);
    for (table, grad) in grads.iter().enumerate() {
        if let Some(grad) = grad {
            pair.set_grad(table, grad);
        }
    }
    let expected = pair.step_twins_clipped(grads, known, clip);
    pair.submit_step();
    let norm = block_on(pair.optimizer.grad_norm()).unwrap();
    let same = norm.to_bits() == expected.to_bits() || norm.is_nan() && expected.is_nan();
    assert!(
        same || !pair.gpu.has_bits_of_twin(pair.optimizer.tuning()),
        "{norm} {expected} {what}"
    );
}

fn drawn(rng: &mut Rng, shapes: &[(usize, usize)]) -> Vec<Option<Gradient<f32>>> {
    let each = shapes.iter().map(|&(rows, dim)| {
        let nnz = [1, 60, 700, 1500][rng.below(4)];
        (rng.below(5) > 0).then(|| rng.gradient(rows, dim, nnz))
    });
    each.collect()
}

#[test]
fn clipped_steps_of_many_tables_equal_their_twins() {
    let mut rng = Rng(fresh_seed());
    for on in drawn_variants(&mut rng) {
        let shapes = SHAPES[rng.below(3)];
        let options = [(); 4].map(|()| rule(&mut rng));
        let mut pair = Pair::new(on, &shapes, &options, &mut rng);
        for turn in 0..3 {
            let (grads, clip) = (drawn(&mut rng, &shapes), any_clip(&mut rng));
            let what = format!("{turn}, {clip:?}, {options:?}");
            step(&mut pair, &grads, Known::default(), clip, &what);
        }
        // Without the norm, a step is as it was.
        pair.optimizer.set_clip_grad_norm(None).unwrap();
        let grads = drawn(&mut rng, &shapes);
        pair.step(&grads);
        pair.assert_equal("unclipped");
    }
}

#[test]
fn gradients_and_rows_in_16_bits_are_measured_as_they_are_read() {
    let mut rng = Rng(fresh_seed());
    // Every width; rows whose last block is short.
    let shapes = [(60, 33), (90, 40), (50, 20), (120, 22)];
    let base = AdamOptions::default().lr(0.01).second_moment(SecondMoment::Row);
    let l2 = base.weight_decay(WeightDecay::L2(0.2)).duplicates(Reduction::Mean);
    let options = [l2, base.clip(Clip::Value(0.3)).grad_scale(0.7), l2, AdamOptions::default()];
    for on in drawn_variants(&mut rng) {
        let formats = [Format::F16, Format::Bf16];
        let mut tables = Vec::new();
        for (shape, options) in shapes.into_iter().zip(options) {
            let (param, values) = (formats[rng.below(2)], formats[rng.below(2)]);
            tables.push((shape, options, Stored { param, values, ..Stored::default() }));
        }
        let mut pair = Pair::stored(on, &tables, &mut rng);
        for turn in 0..3 {
            let (grads, clip) = (drawn(&mut rng, &shapes), any_clip(&mut rng));
            let what = format!("{turn}, {clip:?}, {tables:?}");
            step(&mut pair, &grads, Known::default(), clip, &what);
        }
    }
}

#[test]
fn long_runs_are_measured_as_they_are_summed() {
    let mut rng = Rng(fresh_seed());
    for on in variants() {
        for (rows, dim, nnz) in [(1, 5, 1024), (2, 33, 1025), (3, 8, 9000), (1, 64, 5000)] {
            let mut pair = Pair::single(on, rows, dim, &mut rng);
            let grad = rng.gradient(rows, dim, nnz);
            let what = format!("{rows} x {dim}, {nnz} entries");
            step(&mut pair, &[Some(grad)], Known::default(), ClipGradNorm::new(0.5), &what);
        }
    }
}

#[test]
fn what_the_gpu_knows_of_a_step_is_known_to_its_norm() {
    let mut rng = Rng(fresh_seed());
    for on in variants() {
        let shapes = [(80, 8), (200, 3), (30, 20)];
        let options = shapes.map(|_| rule(&mut rng));
        let mut pair = Pair::new(on, &shapes, &options, &mut rng);
        let buffer = pair.gpu.upload("scalars", &[0u32; 3]);
        let word = |at: u64| buffer.slice(4 * at..4 * at + 4);
        let scalars = Scalars::new().grad_scale(word(0)).lr_factor(word(1)).skip(word(2));
        pair.optimizer.set_scalars(scalars).unwrap();
        for turn in 0..5 {
            let known = Known {
                grad_scale: 4.0 * rng.signed(),
                lr_factor: rng.fraction() as f32,
                skip: turn % 3 == 1,
            };
            let words = [known.grad_scale.to_bits(), known.lr_factor.to_bits(), known.skip.into()];
            pair.gpu.queue.write_buffer(&buffer, 0, bytemuck::cast_slice(&words));
            let (grads, clip) = (drawn(&mut rng, &shapes), any_clip(&mut rng));
            step(&mut pair, &grads, known, clip, &format!("{known:?}, {clip:?}, {options:?}"));
        }
        // Without them, and with the norm alone.
        pair.optimizer.clear_scalars();
        let (grads, clip) = (drawn(&mut rng, &shapes), any_clip(&mut rng));
        step(&mut pair, &grads, Known::default(), clip, "cleared");
    }
}

#[test]
fn values_over_several_bindings_weights_and_promises_are_measured() {
    let limits = Limits {
        max_storage_buffer_binding_size: 64 << 10,
        max_storage_buffers_per_shader_stage: 8,
        ..gpus()[0].device.limits()
    };
    let gpu = block_on(Gpu::open_with_limits(limits)).unwrap();
    let mut rng = Rng(fresh_seed());
    for (_, tuning) in variants() {
        for dim in [24, 20, 5] {
            let clip = ClipGradNorm::new(0.5);
            let mut pair = Pair::single((&gpu, tuning), 1500, dim, &mut rng);
            pair.optimizer.set_clip_grad_norm(Some(clip)).unwrap();
            let mut grads = vec![rng.gradient(1500, dim, 900)];
            let mut set = vec![pair.sparse_grad(&grads[0], IndexDtype::I32)];
            let unique = Gradient {
                indices: rng.permutation(1500)[..800].to_vec(),
                values: rng.floats(800 * dim),
            };
            set.push(pair.sparse_grad(&unique, IndexDtype::U32).duplicates(Duplicates::None));
            grads.push(unique);
            let (bags, map) = rng.bags(1500, dim, 200);
            let weights = rng.floats(map.len());
            let held = (pair.hold(&map), pair.hold(&weights));
            let weighted = pair.sparse_grad(&bags, IndexDtype::I64);
            set.push(weighted.value_map(held.0, 200).weights(held.1));
            let values = reference::gather_values(&bags.values, dim, &map, Some(&weights));
            grads.push(Gradient { indices: bags.indices, values });
            for (number, (set, grad)) in set.into_iter().zip(grads).enumerate() {
                pair.optimizer.set_grad(pair.ids[0], set).unwrap();
                let expected = pair.step_twins_clipped(&[Some(grad)], Known::default(), clip);
                pair.submit_step();
                let norm = block_on(pair.optimizer.grad_norm()).unwrap();
                let same = norm.to_bits() == expected.to_bits();
                assert!(
                    same || !gpu.has_bits_of_twin(&tuning),
                    "{dim}, {number}: {norm} {expected}"
                );
                pair.assert_equal(&format!("{dim}, gradient {number}"));
            }
        }
    }
}

#[test]
fn a_block_is_added_up_in_its_own_order() {
    // Of one row of one block and a bit, and without a root, the norm shows the rounding of each sum.
    let mut rng = Rng(fresh_seed());
    for on in variants() {
        for dim in [13, 16, 18, 20, 22, 24] {
            let mut pair = Pair::single(on, 3, dim, &mut rng);
            let clip = ClipGradNorm::new(1.0).norm_type(NormType::One);
            pair.optimizer.set_clip_grad_norm(Some(clip)).unwrap();
            for _ in 0..20 {
                let grad = rng.gradient(3, dim, 1);
                pair.set_grad(0, &grad);
                let expected = pair.step_twins_clipped(&[Some(grad)], Known::default(), clip);
                pair.submit_step();
                let norm = block_on(pair.optimizer.grad_norm()).unwrap();
                let same = norm.to_bits() == expected.to_bits();
                assert!(same || !pair.gpu.has_bits_of_twin(&on.1), "{dim}: {norm} {expected}");
            }
            pair.assert_equal("one block");
        }
    }
}

/// The norm that a step of its own finds of gradients, in this order of tables.
fn norm_of(on: (&Gpu, Tuning), tables: &[(&(usize, usize), &Gradient<f32>)]) -> f32 {
    let shapes: Vec<_> = tables.iter().map(|(shape, _)| **shape).collect();
    let mut pair = Pair::new(on, &shapes, &vec![AdamOptions::default(); shapes.len()], &mut Rng(1));
    pair.optimizer.set_clip_grad_norm(Some(ClipGradNorm::new(1.0))).unwrap();
    for (table, (_, grad)) in tables.iter().enumerate() {
        pair.set_grad(table, grad);
    }
    pair.submit_step();
    block_on(pair.optimizer.grad_norm()).unwrap()
}

#[test]
fn a_norm_depends_on_no_order_of_tables_or_rows() {
    let mut rng = Rng(fresh_seed());
    let shapes = [(900, 20), (50, 3), (700, 64)];
    // Rows of all sizes, whose sum f32 would round differently in another order.
    let grads = shapes.map(|(rows, dim)| {
        let indices = rng.permutation(rows);
        let values = rng.floats(rows * dim).into_iter().map(|value| value.powi(9)).collect();
        Gradient { indices, values }
    });
    let shuffled = grads.clone().map(|grad| {
        let (dim, rows) = (grad.values.len() / grad.indices.len(), grad.indices.len());
        let order = rng.permutation(rows);
        let row = |&entry: &i64| &grad.values[entry as usize * dim..][..dim];
        Gradient {
            indices: order.iter().map(|&entry| grad.indices[entry as usize]).collect(),
            values: order.iter().flat_map(row).copied().collect(),
        }
    });
    for on in variants() {
        let as_drawn: Vec<_> = shapes.iter().zip(&grads).collect();
        let other: Vec<_> = shapes.iter().zip(&shuffled).rev().collect();
        assert_eq!(norm_of(on, &as_drawn).to_bits(), norm_of(on, &other).to_bits());
    }
}

#[test]
fn norms_and_clipped_steps_are_near_the_formula_in_f64() {
    let mut rng = Rng(fresh_seed());
    for _ in 0..100 {
        let (rows, dim) = (20, 1 + rng.below(40));
        let options = rule(&mut rng).eps(1e-2);
        let clip = any_clip(&mut rng);
        let mut twins = vec![Table::new(rng.floats(rows * dim), dim)];
        let wide = |values: &[f32]| values.iter().map(|&value| value.into()).collect::<Vec<f64>>();
        let mut exact = Table::new(wide(&twins[0].param), dim);
        for _ in 0..10 {
            let grad = rng.gradient(rows, dim, 30);
            let wide = Gradient { indices: grad.indices.clone(), values: wide(&grad.values) };
            let norm = reference::grad_norm_f64(&[(&exact, &wide, &options)], clip.norm_type);
            let factor = (clip.max_norm / (norm + 1e-6)).min(1.0);
            let known = Known::default();
            let found = reference::step_clipped(&mut twins, &[Some(grad)], &[options], known, clip);
            assert!((f64::from(found) - norm).abs() <= 1e-5 * norm, "{found} for {norm}");
            // What is clipped before the norm and behind it, as entries and sums are.
            let scaled = options.grad_scale(options.grad_scale * factor);
            let scaled = match options.clip {
                Clip::Entries(limit) => scaled.clip(Clip::Entries(limit * factor)),
                _ => scaled,
            };
            reference::step_f64(&mut exact, &wide, &scaled);
        }
        for (found, expected) in twins[0].param.iter().zip(&exact.param) {
            let near = (f64::from(*found) - expected).abs() <= 2e-5 * expected.abs().max(1.0);
            assert!(near, "{found} for {expected}: {options:?} {clip:?}");
        }
    }
}
