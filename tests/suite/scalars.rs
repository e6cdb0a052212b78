//! Scales, factors and flags that only the GPU knows.

use sparse_adam::reference::{self, Scalars as Known};
use sparse_adam::{AdamOptions, Error, Region, Scalars, WeightDecay};
use sparse_adam_testkit::campaign::fresh_seed;
use sparse_adam_testkit::{Pair, Rng, variants};
use wgpu::{Buffer, BufferDescriptor, BufferUsages};

/// Where the three lie in one buffer, in bytes.
const PLACES: [u64; 3] = [8, 0, 20];

fn all(buffer: &Buffer) -> Scalars {
    let [scale, factor, skip] = PLACES.map(|offset| Region::new(buffer, offset, 4));
    Scalars::new().grad_scale(scale).lr_factor(factor).skip(skip)
}

fn write(pair: &Pair<'_>, buffer: &Buffer, known: Known) {
    let skip = if known.skip { 77 } else { 0 };
    let words = [known.grad_scale.to_bits(), known.lr_factor.to_bits(), skip];
    for (offset, word) in PLACES.into_iter().zip(words) {
        pair.gpu.queue.write_buffer(buffer, offset, &word.to_le_bytes());
    }
}

#[test]
fn what_the_gpu_knows_of_a_step_is_what_the_twin_is_told() {
    let mut rng = Rng(fresh_seed());
    for on in variants() {
        let shapes = [(80, 8), (200, 3), (30, 8)];
        let plain = AdamOptions::default().lr(0.01);
        let decayed = plain.weight_decay(WeightDecay::Decoupled(0.1));
        let rules = [plain, decayed, rng.rule(plain)];
        for options in [[rules[rng.below(3)]; 3], rules] {
            let mut pair = Pair::new(on, &shapes, &options, &mut rng);
            let buffer = pair.gpu.upload("scalars", &[0u32; 6]);
            pair.optimizer.set_scalars(all(&buffer)).unwrap();
            for turn in 0..5 {
                let (grad_scale, lr_factor) = (rng.signed(), 2.0 * rng.signed().abs());
                let known = Known { grad_scale, lr_factor, skip: turn % 3 == 1 };
                write(&pair, &buffer, known);
                for (table, (rows, dim)) in shapes.into_iter().enumerate() {
                    let nnz = [1, 90, 700][rng.below(3)];
                    let grad = rng.gradient(rows, dim, nnz);
                    pair.set_grad(table, &grad);
                    let twin = &mut pair.twins[table];
                    reference::step_with_scalars(twin, &grad, known, &options[table]);
                }
                pair.submit_step();
                pair.assert_equal(&format!("{known:?}, {options:?}"));
            }
            // Without them, a step is as it was.
            pair.optimizer.clear_scalars();
            pair.step(&shapes.map(|(rows, dim)| Some(rng.gradient(rows, dim, 60))));
            pair.assert_equal("cleared");
        }
    }
}

#[test]
fn what_is_not_given_has_no_effect() {
    for on in variants() {
        let mut rng = Rng(3);
        let mut pair = Pair::single(on, 40, 4, &mut rng);
        pair.optimizer.set_scalars(Scalars::new()).unwrap();
        let grad = rng.gradient(40, 4, 100);
        pair.step(&[Some(grad)]);
        pair.assert_equal("no scalars");
        // A whole buffer of 4 bytes, and only the flag.
        let flag = pair.gpu.upload("flag", &[1u32]);
        pair.optimizer.set_scalars(Scalars::new().skip(&flag)).unwrap();
        let before = pair.table(0);
        let grad = rng.gradient(40, 4, 100);
        pair.set_grad(0, &grad);
        pair.submit_step();
        let after = pair.table(0);
        assert_eq!((after.param, after.exp_avg), (before.param, before.exp_avg));
        assert_eq!(after.step, before.step + 1, "the host counts");
    }
}

#[test]
fn two_steps_in_one_encoder_read_what_each_was_recorded_behind() {
    for on in variants() {
        let mut rng = Rng(4);
        let mut pair = Pair::single(on, 40, 4, &mut rng);
        let (scale, halves) =
            (pair.gpu.upload("scale", &[1f32]), pair.gpu.upload("half", &[0.5f32]));
        pair.optimizer.set_scalars(Scalars::new().grad_scale(&scale)).unwrap();
        let grad = rng.gradient(40, 4, 100);
        pair.set_grad(0, &grad);
        let mut encoder = pair.gpu.device.create_command_encoder(&Default::default());
        pair.optimizer.step(&mut encoder).unwrap();
        encoder.copy_buffer_to_buffer(&halves, 0, &scale, 0, 4);
        pair.optimizer.step(&mut encoder).unwrap();
        pair.gpu.queue.submit([encoder.finish()]);
        for grad_scale in [1.0, 0.5] {
            let known = Known { grad_scale, ..Known::default() };
            let options = pair.options[0];
            reference::step_with_scalars(&mut pair.twins[0], &grad, known, &options);
        }
        pair.assert_equal("a scale that changed between");
    }
}

#[test]
fn scalars_that_cannot_be_read_are_refused_and_change_nothing() {
    let (gpu, tuning) = variants()[0];
    let mut rng = Rng(5);
    let mut pair = Pair::single((gpu, tuning), 20, 4, &mut rng);
    let buffer = |size, usage| {
        let descriptor = BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
        gpu.device.create_buffer(&descriptor)
    };
    let good = buffer(16, BufferUsages::COPY_SRC | BufferUsages::COPY_DST);
    let unusable = buffer(16, BufferUsages::STORAGE);
    let destroyed = buffer(16, BufferUsages::COPY_SRC | BufferUsages::STORAGE);
    destroyed.destroy();
    let optimizer = &mut pair.optimizer;
    let mut refused = |scalars| optimizer.set_scalars(scalars).unwrap_err();
    let small = refused(Scalars::new().skip(Region::new(&good, 12, 2)));
    assert!(matches!(small, Error::BufferTooSmall { .. }), "{small}");
    let outside = refused(Scalars::new().skip(Region::new(&good, 16, 4)));
    assert!(matches!(outside, Error::BufferTooSmall { .. }), "{outside}");
    let misaligned = refused(Scalars::new().lr_factor(Region::new(&good, 2, 4)));
    assert!(matches!(misaligned, Error::Misaligned { .. }), "{misaligned}");
    let missing = refused(Scalars::new().grad_scale(&unusable));
    assert!(matches!(missing, Error::MissingUsage { .. }), "{missing}");
    let gone = refused(Scalars::new().grad_scale(&destroyed)).to_string();
    assert!(gone.contains("gradient scale"), "{gone}");
    pair.step(&[Some(rng.gradient(20, 4, 50))]);
    pair.assert_equal("as before");
}
