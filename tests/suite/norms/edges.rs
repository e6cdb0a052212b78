//! Norms that are not finite, steps that have nothing to measure, and calls around both.

use super::{TYPES, step, step_unchecked};
use crate::suite::not_finite::assert_same_or_nan;
use pollster::block_on;
use sparse_adam::reference::{Gradient, Scalars as Known};
use sparse_adam::{ClipGradNorm, Error, NormType};
use sparse_adam_testkit::{Pair, Rng, variants};

#[test]
fn what_is_not_finite_is_as_in_torch() {
    for on in variants() {
        for norm_type in TYPES {
            // Of 1e30 the squares exceed f32, of 3e38 the magnitudes' sum does.
            for (value, nan) in
                [(f32::NAN, true), (f32::INFINITY, false), (1e30, false), (3e38, false)]
            {
                // Its reciprocal is subnormal, which some devices flush.
                if norm_type == NormType::Infinity && value == 3e38 {
                    continue;
                }
                let mut pair = Pair::single(on, 30, 20, &mut Rng(3));
                let mut grad = Rng(4).gradient(30, 20, 40);
                grad.indices = (0..40).map(|entry| entry % 30).collect();
                grad.values[90] = value;
                grad.values[500] = if nan { f32::INFINITY } else { value };
                let clip = ClipGradNorm::new(1.0).norm_type(norm_type);
                let what = format!("{value}, {clip:?}");
                step_unchecked(&mut pair, &[Some(grad)], Known::default(), clip, &what);
                if on.0.has_bits_of_twin(&on.1) {
                    assert_same_or_nan(&pair, &what);
                }
                let norm = block_on(pair.optimizer.grad_norm()).unwrap();
                let is_finite = value < f32::INFINITY
                    && (norm_type == NormType::Infinity
                        || norm_type == NormType::One && value < 1e38);
                assert_eq!(
                    (norm.is_nan(), norm.is_finite()),
                    (nan, is_finite),
                    "{value}, {clip:?}"
                );
                // Nothing of it stays for the next step.
                let grad = Rng(5).gradient(30, 20, 40);
                let expected =
                    pair.step_twins_clipped(&[Some(grad.clone())], Known::default(), clip);
                pair.set_grad(0, &grad);
                pair.submit_step();
                assert_eq!(block_on(pair.optimizer.grad_norm()).unwrap(), expected);
            }
        }
    }
}

#[test]
fn a_norm_of_many_wide_rows_of_one_value_is_exact() {
    for on in variants() {
        // So many blocks of one size that the digits of an invocation's sum would overflow in one go.
        let (rows, dim, value) = (860, 16_384, 0.0383f32);
        let mut pair = Pair::single(on, rows, dim, &mut Rng(8));
        let grad =
            Gradient { indices: (0..rows as i64).collect(), values: vec![value; rows * dim] };
        let clip = ClipGradNorm::new(1.0);
        let norm = pair.step_twins_clipped(&[Some(grad.clone())], Known::default(), clip);
        let expected = f64::from(value) * ((rows * dim) as f64).sqrt();
        assert!((f64::from(norm) - expected).abs() < 1e-4 * expected, "{norm} for {expected}");
        pair.optimizer.set_clip_grad_norm(Some(clip)).unwrap();
        pair.set_grad(0, &grad);
        pair.submit_step();
        assert_eq!(block_on(pair.optimizer.grad_norm()).unwrap(), norm);
    }
}

#[test]
fn a_step_without_entries_has_the_norm_0() {
    for on in variants() {
        let mut rng = Rng(6);
        let mut pair = Pair::single(on, 30, 4, &mut rng);
        let clip = ClipGradNorm::new(1.0);
        let (none, refused) =
            (Gradient::default(), Gradient { indices: vec![-1, 30], values: vec![1.0; 8] });
        for grad in [Some(rng.gradient(30, 4, 50)), Some(none), Some(refused), None] {
            step(&mut pair, &[grad], Known::default(), clip, "nothing to measure");
        }
        assert_eq!(block_on(pair.optimizer.grad_norm()).unwrap(), 0.0);
    }
}

#[test]
fn steps_in_one_encoder_and_steps_that_never_run_have_norms_of_their_own() {
    for on in variants() {
        let mut rng = Rng(7);
        let mut pair = Pair::single(on, 40, 8, &mut rng);
        let norms = pair.gpu.upload("norms", &[0f32; 2]);
        let grad = rng.gradient(40, 8, 100);
        pair.set_grad(0, &grad);
        let clips = [1.0, 0.25].map(ClipGradNorm::new);
        pair.optimizer.set_clip_grad_norm(Some(clips[0])).unwrap();
        let mut dropped = pair.gpu.device.create_command_encoder(&Default::default());
        pair.optimizer.step(&mut dropped).unwrap();
        drop(dropped);
        let id = pair.ids[0];
        pair.optimizer.set_step_count(id, 0).unwrap();
        let mut encoder = pair.gpu.device.create_command_encoder(&Default::default());
        let mut expected = Vec::new();
        for (number, clip) in (0..).zip(clips) {
            pair.optimizer.set_clip_grad_norm(Some(clip)).unwrap();
            pair.optimizer.step(&mut encoder).unwrap();
            let region = pair.optimizer.grad_norm_region().unwrap();
            encoder.copy_buffer_to_buffer(region.buffer(), region.offset(), &norms, 4 * number, 4);
            let grads = [Some(grad.clone())];
            expected.push(pair.step_twins_clipped(&grads, Known::default(), clip));
        }
        pair.gpu.queue.submit([encoder.finish()]);
        pair.assert_equal("two steps");
        let found: Vec<f32> = block_on(pair.gpu.read(&norms)).unwrap();
        if pair.gpu.has_bits_of_twin(&on.1) {
            assert_eq!(found, expected);
        }
    }
}

#[test]
fn what_is_no_bound_is_refused_and_changes_nothing() {
    let mut rng = Rng(8);
    let mut pair = Pair::single(variants()[0], 20, 4, &mut rng);
    let unasked = block_on(pair.optimizer.grad_norm()).unwrap_err();
    assert!(matches!(unasked, Error::Unsupported { .. }), "{unasked}");
    for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e39, 1e-60] {
        let error = pair.optimizer.set_clip_grad_norm(Some(ClipGradNorm::new(wrong))).unwrap_err();
        assert!(matches!(error, Error::InvalidOption { field: "max_norm", .. }), "{error}");
    }
    pair.step(&[Some(rng.gradient(20, 4, 50))]);
    pair.assert_equal("as before");
    pair.optimizer.set_clip_grad_norm(Some(ClipGradNorm::new(1.0))).unwrap();
    assert_eq!(block_on(pair.optimizer.grad_norm()).unwrap(), 0.0, "before the first step");
}
