//! Rules and scalars where users bring them: tables over several bindings, other gradients than the plain one,
//! and calls of any order around steps.

use super::formats::may_have;
use sparse_adam::reference::{self, Gradient, Scalars as Known};
use sparse_adam::{
    AdamOptions, BiasCorrection, Clip, ClipGradNorm, Duplicates, Format, IndexDtype, Scalars,
};
use sparse_adam_testkit::campaign::fresh_seed;
use sparse_adam_testkit::headless::Gpu;
use sparse_adam_testkit::{Pair, Poisoned, Rng, Stored, drawn_variants, gpus, variants};
use wgpu::Limits;

fn rule(rng: &mut Rng) -> AdamOptions {
    let options = rng.rule(AdamOptions::default().lr(0.01));
    if rng.below(3) == 0 { options.clip(Clip::Entries(0.4)) } else { options }
}

/// One step of a table and of its twin, which is told the scalars where there are any.
fn step(pair: &mut Pair<'_>, table: usize, grad: &Gradient<f32>, known: Option<Known>) {
    let (twin, options) = (&mut pair.twins[table], pair.options[table]);
    match known {
        Some(known) => reference::step_with_scalars(twin, grad, known, &options),
        None => reference::step(twin, grad, &options),
    };
    pair.submit_step();
}

/// A rule of some kind.
pub(super) fn drawn(rng: &mut Rng, is: impl Fn(&AdamOptions) -> bool) -> AdamOptions {
    loop {
        let options = rule(rng);
        if is(&options) {
            return options;
        }
    }
}

/// Whether one rule may follow another on a state.
pub(super) fn has_state_of(options: &AdamOptions, held: &AdamOptions) -> bool {
    let by_row = |options: &AdamOptions| options.bias_correction == BiasCorrection::Row;
    options.amsgrad == held.amsgrad
        && options.second_moment == held.second_moment
        && options.catch_up == held.catch_up
        && by_row(options) == by_row(held)
}

#[test]
fn rules_of_tables_and_values_over_several_bindings_equal_their_twins() {
    let limits = Limits {
        max_storage_buffer_binding_size: 32 << 10,
        max_storage_buffers_per_shader_stage: 8,
        ..gpus()[0].device.limits()
    };
    let gpu = pollster::block_on(Gpu::open_with_limits(limits)).unwrap();
    let mut rng = Rng(fresh_seed());
    for (_, tuning) in drawn_variants(&mut rng) {
        for dim in [12, 8, 5] {
            let options = drawn(&mut rng, |options| options.amsgrad);
            let mut pair = Pair::new((&gpu, tuning), &[(700, dim)], &[options], &mut rng);
            let scale = gpu.upload("scale", &[0.5f32]);
            for turn in 0..4 {
                let known = Known { grad_scale: 0.5, ..Known::default() };
                let known = (turn % 2 == 1).then_some(known);
                match known {
                    Some(_) => {
                        pair.optimizer.set_scalars(Scalars::new().grad_scale(&scale)).unwrap();
                    }
                    None => pair.optimizer.clear_scalars(),
                }
                // With all that a rule may ask of scratch, 36 bytes per entry, within one binding.
                let nnz = [700, 800, 20, 1][turn];
                let mut grad = rng.gradient(700, dim, nnz);
                let mut set = pair.sparse_grad(&grad, IndexDtype::I32);
                if turn == 0 {
                    // Each row once, and promised.
                    grad.indices = rng.permutation(700);
                    set = pair.sparse_grad(&grad, IndexDtype::I32).duplicates(Duplicates::None);
                }
                pair.optimizer.set_grad(pair.ids[0], set).unwrap();
                step(&mut pair, 0, &grad, known);
                pair.assert_equal(&format!("{dim}, turn {turn}, {options:?}"));
            }
        }
    }
}

#[test]
fn calls_of_any_order_around_steps_change_nothing_else() {
    let seed = fresh_seed();
    for (number, (gpu, tuning)) in drawn_variants(&mut Rng(seed)).into_iter().enumerate() {
        let mut rng = Rng(seed ^ (number as u64) << 40);
        let shapes = [(60, 8), (90, 3)];
        let tables = shapes.map(|shape| {
            let stored = Stored { values: Format::F32, ..Stored::any(&mut rng) };
            (shape, drawn(&mut rng, |options| may_have(stored, options)), stored)
        });
        let mut pair = Pair::stored((gpu, tuning), &tables, &mut rng);
        let (mut known, mut clip) = (None, None);
        let buffer = gpu.upload("scalars", &[1f32, 1f32]);
        for _ in 0..40 {
            let table = rng.below(shapes.len());
            match rng.below(10) {
                0 => {
                    let factor = 0.5 + rng.fraction() as f32;
                    gpu.queue.write_buffer(&buffer, 4, &factor.to_le_bytes());
                    let of = Scalars::new().lr_factor(buffer.slice(4..));
                    pair.optimizer.set_scalars(of).unwrap();
                    known = Some(Known { lr_factor: factor, ..Known::default() });
                }
                1 => {
                    pair.optimizer.clear_scalars();
                    known = None;
                }
                2 => {
                    let held = pair.options[table];
                    let stored = pair.stored[table];
                    let may_follow = |options: &AdamOptions| {
                        has_state_of(options, &held) && may_have(stored, options)
                    };
                    let now = drawn(&mut rng, may_follow);
                    let group = pair.optimizer.group_of(pair.ids[table]).unwrap();
                    pair.optimizer.set_options(group, now).unwrap();
                    pair.options[table] = now;
                }
                3 => {
                    let dict = pollster::block_on(pair.optimizer.state_dict()).unwrap();
                    pair.optimizer.load_state_dict(&dict).unwrap();
                }
                7 => {
                    pair.gpu.submit(|encoder| pair.optimizer.flush(encoder)).unwrap();
                    for (twin, options) in pair.twins.iter_mut().zip(&pair.options) {
                        reference::flush_with_scalars(twin, known, options);
                    }
                }
                4 => pair.optimizer.trim(),
                5 => {
                    let max_norm = 0.1 + rng.fraction();
                    clip = (rng.below(3) > 0).then_some(ClipGradNorm::new(max_norm));
                    pair.optimizer.set_clip_grad_norm(clip).unwrap();
                }
                6 => pair.optimizer.prepare().unwrap(),
                _ => {
                    let (rows, dim) = shapes[table];
                    let nnz = 1 + rng.below(300);
                    let grad = rng.gradient(rows, dim, nnz);
                    pair.optimizer.clear_grads();
                    pair.set_grad(table, &grad);
                    let Some(clip) = clip else {
                        step(&mut pair, table, &grad, known);
                        continue;
                    };
                    let mut grads = shapes.map(|_| None);
                    grads[table] = Some(grad);
                    pair.step_twins_clipped(&grads, known.unwrap_or_default(), clip);
                    pair.submit_step();
                }
            }
        }
        pair.assert_equal(&format!("seed {seed}"));
    }
}

#[test]
fn a_second_moment_of_minus_zero_is_zero() {
    for (gpu, tuning) in variants() {
        let options = AdamOptions::torch_adam().amsgrad(true);
        let mut pair = Pair::new((gpu, tuning), &[(6, 4)], &[options], &mut Rng(1));
        let indices = vec![0, 1, 2, 3, 4, 5];
        let grad = Gradient { indices, values: vec![0.5; 24] };
        pair.step(&[Some(grad.clone())]);
        let mut dict = pollster::block_on(pair.optimizer.state_dict()).unwrap();
        for state in dict.state.values_mut() {
            state.exp_avg_sq.fill(-0.0);
            state.max_exp_avg_sq = Some(vec![-0.0; 24].into());
        }
        pair.optimizer.load_state_dict(&dict).unwrap();
        pair.twins[0].exp_avg_sq.fill(-0.0);
        pair.twins[0].max_exp_avg_sq.fill(-0.0);
        let held = pair.table(0).param;
        pair.params[0] = Poisoned::new(gpu, &held);
        let place = pair.params[0].region.clone();
        pair.optimizer.replace_param(pair.ids[0], place).unwrap();
        pair.step(&[Some(grad)]);
        pair.assert_equal("from -0");
        assert!(pair.table(0).max_exp_avg_sq.iter().all(|&largest| largest > 0.0));
    }
}
