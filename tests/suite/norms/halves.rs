//! Steps in two halves, and totals of several optimizers joined between them.

use super::{any_clip, drawn, rule};
use pollster::block_on;
use sparse_adam::reference::{self, Gradient, Scalars as Known};
use sparse_adam::{ClipGradNorm, ClippedStep, Error, NormTotal, NormType};
use sparse_adam_testkit::campaign::fresh_seed;
use sparse_adam_testkit::{Pair, Rng, drawn_variants, variants};
use wgpu::CommandEncoder;

type Grads = Vec<Option<Gradient<f32>>>;

fn encoder(pair: &Pair<'_>) -> CommandEncoder {
    pair.gpu.device.create_command_encoder(&Default::default())
}

fn set(pair: &mut Pair<'_>, grads: &Grads) {
    pair.optimizer.zero_grad(true);
    for (table, grad) in grads.iter().enumerate() {
        if let Some(grad) = grad {
            pair.set_grad(table, grad);
        }
    }
}

/// What the first half has found, once it has run; poison lies before it.
fn total_of(gpu: &sparse_adam_testkit::headless::Gpu, step: &ClippedStep<'_>) -> NormTotal {
    let region = step.total();
    let copy = gpu.upload("total", &[u32::MAX; 22]);
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    encoder.copy_buffer_to_buffer(region.buffer(), region.offset(), &copy, 4, NormTotal::BYTES);
    gpu.queue.submit([encoder.finish()]);
    let words: Vec<u32> = block_on(gpu.read(&copy)).unwrap();
    NormTotal::new(words[1..].try_into().unwrap())
}

/// Steps every pair by its gradients, clipped by the norm of all.
fn step_together(pairs: &mut [Pair<'_>], grads: &[Grads], norm_type: NormType) {
    let mut halves = Vec::new();
    for (pair, grads) in pairs.iter_mut().zip(grads) {
        set(pair, grads);
        let (gpu, mut first) = (pair.gpu, encoder(pair));
        let step = pair.optimizer.begin_clipped_step(&mut first).unwrap();
        gpu.queue.submit([first.finish()]);
        halves.push((gpu, step));
    }
    let totals: Vec<_> = halves.iter().map(|(gpu, step)| total_of(gpu, step)).collect();
    let words = NormTotal::joined(norm_type, totals).words();
    for (gpu, step) in halves {
        let given = gpu.upload("given", &[&[u32::MAX; 3], &words[..]].concat());
        let mut second = gpu.device.create_command_encoder(&Default::default());
        step.finish(&mut second, given.slice(12..)).unwrap();
        gpu.queue.submit([second.finish()]);
    }
}

/// The same on the twins; the norm.
fn step_twins(pairs: &mut [Pair<'_>], grads: &[Grads], clip: ClipGradNorm) -> f32 {
    let each = pairs.iter().zip(grads).flat_map(|(pair, grads)| {
        let tables = pair.twins.iter().zip(grads).zip(&pair.options);
        tables.filter_map(|((table, grad), options)| Some((table, grad.as_ref()?, options)))
    });
    let asked: Vec<_> = each.collect();
    let norm = reference::grad_norm(&asked, Known::default(), clip.norm_type);
    let known =
        Known { grad_scale: reference::clip_factor(norm, clip.max_norm), ..Known::default() };
    for (pair, grads) in pairs.iter_mut().zip(grads) {
        let tables = pair.twins.iter_mut().zip(grads).zip(&pair.options);
        for ((table, grad), options) in tables {
            if let Some(grad) = grad {
                reference::step_with_scalars(table, grad, known, options);
            }
        }
    }
    norm
}

#[test]
fn optimizers_that_join_their_totals_clip_by_the_norm_of_all() {
    let seed = fresh_seed();
    let mut rng = Rng(seed);
    for on in drawn_variants(&mut rng) {
        let shapes = [vec![(300, 8), (40, 33)], vec![(1, 1)], vec![(90, 3), (20, 300), (7, 64)]];
        let mut pairs: Vec<_> = shapes
            .iter()
            .map(|shapes| {
                let options: Vec<_> = shapes.iter().map(|_| rule(&mut rng)).collect();
                Pair::new(on, shapes, &options, &mut rng)
            })
            .collect();
        for turn in 0..3 {
            let clip = any_clip(&mut rng);
            // Of one optimizer, perhaps none has a gradient.
            let grads: Vec<_> = shapes.iter().map(|shapes| drawn(&mut rng, shapes)).collect();
            for pair in &mut pairs {
                pair.optimizer.set_clip_grad_norm(Some(clip)).unwrap();
            }
            step_together(&mut pairs, &grads, clip.norm_type);
            let expected = step_twins(&mut pairs, &grads, clip);
            let what = format!("seed {seed}, turn {turn}, {clip:?}");
            for pair in &pairs {
                let norm = block_on(pair.optimizer.grad_norm()).unwrap();
                let same = norm.to_bits() == expected.to_bits();
                assert!(same || !on.0.has_bits_of_twin(&on.1), "{norm} {expected} {what}");
                pair.assert_equal(&what);
            }
        }
    }
}

#[test]
fn both_halves_are_a_step() {
    let mut rng = Rng(fresh_seed());
    for on in variants() {
        let shapes = [(60, 20), (30, 3)];
        let options = shapes.map(|_| rule(&mut rng));
        let mut pair = Pair::new(on, &shapes, &options, &mut rng);
        let clip = ClipGradNorm::new(0.7);
        pair.optimizer.set_clip_grad_norm(Some(clip)).unwrap();
        // In one encoder, too, and behind steps that are taken at once.
        for turn in 0..4 {
            let grads = drawn(&mut rng, &shapes);
            set(&mut pair, &grads);
            let mut encoder = encoder(&pair);
            if turn % 2 == 0 {
                let step = pair.optimizer.begin_clipped_step(&mut encoder).unwrap();
                let total = step.total().clone();
                step.finish(&mut encoder, total).unwrap();
            } else {
                pair.optimizer.step(&mut encoder).unwrap();
            }
            pair.gpu.queue.submit([encoder.finish()]);
            let expected = pair.step_twins_clipped(&grads, Known::default(), clip);
            pair.assert_equal(&format!("turn {turn}"));
            if on.0.has_bits_of_twin(&on.1) {
                assert_eq!(block_on(pair.optimizer.grad_norm()).unwrap(), expected);
            }
        }
    }
}

#[test]
fn of_a_half_that_is_dropped_or_never_runs_nothing_stays() {
    let mut rng = Rng(fresh_seed());
    for on in variants() {
        let mut pair = Pair::single(on, 40, 8, &mut rng);
        let (id, clip) = (pair.ids[0], ClipGradNorm::new(0.5));
        pair.optimizer.set_clip_grad_norm(Some(clip)).unwrap();
        let grads = vec![Some(rng.gradient(40, 8, 100))];
        set(&mut pair, &grads);
        for finished in [false, true] {
            let mut encoders = [encoder(&pair), encoder(&pair)];
            let step = pair.optimizer.begin_clipped_step(&mut encoders[0]).unwrap();
            if finished {
                let total = step.total().clone();
                step.finish(&mut encoders[1], total).unwrap();
                pair.optimizer.set_step_count(id, 0).unwrap();
            } else {
                drop(step);
                assert!(block_on(pair.optimizer.state_of(id)).unwrap().is_none());
            }
            let [first, _] = encoders;
            pair.gpu.queue.submit([first.finish()]);
            assert_eq!(pair.optimizer.step_count(id).unwrap(), 0);
        }
        let expected = pair.step_twins_clipped(&grads, Known::default(), clip);
        pair.submit_step();
        pair.assert_equal("a step after halves");
        if on.0.has_bits_of_twin(&on.1) {
            assert_eq!(block_on(pair.optimizer.grad_norm()).unwrap(), expected);
        }
    }
}

#[test]
fn what_is_no_total_is_refused_and_is_no_step() {
    let mut rng = Rng(fresh_seed());
    let mut pair = Pair::single(variants()[0], 20, 4, &mut rng);
    let grad = rng.gradient(20, 4, 50);
    let mut encoder = encoder(&pair);
    pair.set_grad(0, &grad);
    let unasked = pair.optimizer.begin_clipped_step(&mut encoder).map(drop);
    assert!(matches!(unasked, Err(Error::Unsupported { .. })), "{unasked:?}");
    let clip = ClipGradNorm::new(1.0);
    pair.optimizer.set_clip_grad_norm(Some(clip)).unwrap();
    let (gpu, id) = (pair.gpu, pair.ids[0]);
    let words = gpu.upload("words", &[0u32; 23]);
    let descriptor = wgpu::BufferDescriptor {
        label: None,
        size: 92,
        usage: wgpu::BufferUsages::STORAGE,
        mapped_at_creation: false,
    };
    let uncopied = gpu.device.create_buffer(&descriptor);
    type Refused = fn(&Error) -> bool;
    let wrong: [(sparse_adam::Region, Refused); 4] = [
        (words.slice(..80).into(), |error| matches!(error, Error::BufferTooSmall { .. })),
        (words.slice(12..).into(), |error| matches!(error, Error::BufferTooSmall { .. })),
        (sparse_adam::Region::new(&words, 2, 84), |error| {
            matches!(error, Error::Misaligned { .. })
        }),
        (uncopied.into(), |error| matches!(error, Error::MissingUsage { .. })),
    ];
    for (total, is_expected) in wrong {
        let step = pair.optimizer.begin_clipped_step(&mut encoder).unwrap();
        let error = step.finish(&mut encoder, total).unwrap_err();
        assert!(is_expected(&error), "{error}");
        assert_eq!(pair.optimizer.step_count(id).unwrap(), 0);
    }
    pair.step_twins_clipped(&[Some(grad)], Known::default(), clip);
    pair.submit_step();
    pair.assert_equal("a step after refusals");
}
