//! The kernels against the definition, on random scenes; what steps and growth leave alone.

use super::densify;
use super::fit::{Fit, Options};
use super::model::{IDS, Model, Purpose, Shape};
use super::picture::Picture;
use super::scene::{COLOUR, OPACITY, POSITION, ROTATION, SCALE, Splats, TENSORS, Tensor};
use super::twin;
use sparse_adam::{AdamOptions, RowMap, SparseAdam};
use sparse_adam_testkit::Rng;
use sparse_adam_testkit::headless::Gpu;
use std::time::{SystemTime, UNIX_EPOCH};

/// A generator that differs each time; it says how to have the same again.
fn fresh() -> Rng {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = now.as_nanos() as u64;
    println!("seed {seed}");
    Rng(seed)
}

fn open() -> Gpu {
    let gpu = pollster::block_on(Gpu::open()).unwrap();
    println!("{}", gpu.describe());
    gpu
}

/// How much further from the definition an adapter may be than llvmpipe is: WGSL leaves `sin` and `cos` an error of
/// 2^-11, and SwiftShader takes some of it.
fn slack(gpu: &Gpu) -> f64 {
    if gpu.info.name.contains("llvmpipe") { 1.0 } else { 50.0 }
}

/// Whether a splat must be seen, and whether it may be: boxes end where rounding lets them.
fn seen(splats: &Splats, row: usize, shape: Shape, tiles: &[u32]) -> [bool; 2] {
    [0.99, 1.01].map(|part| twin::is_seen(splats, row, shape, tiles, part))
}

/// Splats of all sizes and angles, also outside of the picture; a target of noise.
fn scene(random: &mut Rng, width: u32, height: u32, rows: usize) -> (Picture, Splats) {
    let noise: Vec<[f32; 3]> =
        (0..width * height).map(|_| std::array::from_fn(|_| random.fraction() as f32)).collect();
    let mut splats = Splats::default();
    for row in 0..rows {
        let place = |random: &mut Rng, size: u32| (size as f32) * (0.5 + 0.6 * random.signed());
        // From a third of a pixel to 9, and the first far wider than its box may be.
        let scale = |random: &mut Rng| if row == 0 { 4.2 } else { 0.5 + 1.6 * random.signed() };
        splats.tensors[POSITION].extend([place(random, width), place(random, height)]);
        splats.tensors[SCALE].extend([scale(random), scale(random)]);
        splats.tensors[ROTATION].push(4.0 * random.signed());
        splats.tensors[COLOUR].extend([0; 3].map(|_| 0.5 + random.signed()));
        splats.tensors[OPACITY].push(2.0 * random.signed());
    }
    (Picture { width, height, pixels: noise }, splats)
}

/// Some of the tiles, at least one.
fn some(random: &mut Rng, shape: Shape) -> Vec<u32> {
    let mut tiles: Vec<u32> = (0..shape.tiles()).collect();
    random.shuffle(&mut tiles);
    tiles.truncate(1 + random.below(tiles.len()));
    tiles
}

fn model(gpu: &Gpu, shape: Shape, target: &Picture, splats: &Splats) -> (SparseAdam, Model) {
    let mut optimizer = SparseAdam::new(&gpu.device, &gpu.queue, AdamOptions::default()).unwrap();
    let model = Model::new(gpu, &mut optimizer, shape, target, splats).unwrap();
    (optimizer, model)
}

/// Widths and heights that are no whole tiles; the last has splats with cut boxes.
const SIZES: [(u32, u32); 3] = [(40, 35), (16, 16), (230, 18)];

#[test]
fn pictures_are_the_definitions() {
    let (gpu, mut random) = (open(), fresh());
    for (width, height) in SIZES {
        let (target, splats) = scene(&mut random, width, height, 25);
        let tiles = width.div_ceil(16) * height.div_ceil(16);
        let shape = Shape { width, height, chosen: tiles, most: 40, dense: false };
        let (_, model) = model(&gpu, shape, &target, &splats);
        let all: Vec<u32> = (0..tiles).collect();
        gpu.submit(|encoder| {
            model.draw(&gpu, encoder, &all, Purpose::Show);
            Ok(())
        })
        .unwrap();
        let drawn = pollster::block_on(model.read_picture(&gpu)).unwrap();
        let values = twin::values(&splats);
        for (at, found) in (0..).zip(&drawn.pixels) {
            let (x, y) = (at % width, at / width);
            let expected = twin::colour(&values, f64::from(x) + 0.5, f64::from(y) + 0.5);
            for (&found, expected) in found.iter().zip(expected) {
                let apart = (f64::from(found) - expected).abs();
                assert!(apart < 1e-4 * slack(&gpu), "{x} {y}: {found} {expected}");
            }
        }
    }
}

#[test]
fn gradients_are_differences_of_the_loss() {
    let (gpu, mut random) = (open(), fresh());
    for (width, height) in SIZES {
        let (target, splats) = scene(&mut random, width, height, 25);
        let tiles = width.div_ceil(16) * height.div_ceil(16);
        let shape = Shape { width, height, chosen: tiles, most: 40, dense: false };
        let (mut optimizer, model) = model(&gpu, shape, &target, &splats);
        let tiles = some(&mut random, shape);
        gpu.submit(|encoder| model.step(&gpu, &mut optimizer, encoder, &tiles)).unwrap();
        let (found, statistics) = pollster::block_on(model.read_grads(&gpu)).unwrap();
        let sides = twin::gradients(&splats, &target, &tiles);
        for (tensor, Tensor { name, .. }) in TENSORS.iter().enumerate() {
            let [left, right] = [0, 1].map(|side: usize| &sides[side][tensor]);
            let largest = left.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
            let mut worst = 0.0f64;
            for (at, &found) in found.tensors[tensor].iter().enumerate() {
                let (low, high) = (left[at].min(right[at]), left[at].max(right[at]));
                let apart = (low - f64::from(found)).max(f64::from(found) - high);
                worst = worst.max(apart / largest);
                assert!(worst < 1e-3 * slack(&gpu), "{name} {at}: {found}, not {low} to {high}");
            }
            println!("{width} x {height} {name}: {worst:.1e} of the largest");
        }
        for (row, [moved, times]) in statistics.into_iter().enumerate() {
            assert!(seen(&splats, row, shape, &tiles).contains(&(times != 0.0)));
            let [x, y] = [0, 1].map(|axis| found.row(POSITION, row)[axis]);
            assert!(
                moved >= x.hypot(y) * 0.999,
                "what pixels add up to cannot be more than their sum"
            );
        }
    }
}

#[test]
fn a_step_changes_the_splats_that_its_tiles_see_and_no_other() {
    let (gpu, mut random) = (open(), fresh());
    for dense in [false, true] {
        let (target, splats) = scene(&mut random, 100, 90, 60);
        let shape = Shape { width: 100, height: 90, chosen: 42, most: 60, dense };
        let (mut optimizer, model) = model(&gpu, shape, &target, &splats);
        let tiles = [random.below(42) as u32, 7, 20];
        gpu.submit(|encoder| model.step(&gpu, &mut optimizer, encoder, &tiles)).unwrap();
        let visible: Vec<u32> = pollster::block_on(gpu.read(&model.visible)).unwrap();
        let first = IDS as usize / 4;
        let listed = &visible[first..][..visible[0] as usize];
        for row in 0..60 {
            let times = listed.iter().filter(|&&listed| listed == row).count();
            let must_and_may = seen(&splats, row as usize, shape, &tiles);
            assert!(times < 2 && (dense || must_and_may.contains(&(times == 1))), "row {row}");
            assert!(times == 1 || !dense);
        }
        let stepped = pollster::block_on(model.read_splats(&gpu)).unwrap();
        for row in 0..60 {
            let same = (0..5).all(|tensor| stepped.row(tensor, row) == splats.row(tensor, row));
            assert!(same || listed.contains(&(row as u32)), "row {row} moved unseen");
        }
        assert!(stepped.tensors[COLOUR] != splats.tensors[COLOUR]);
        for param in model.params {
            assert!(pollster::block_on(optimizer.status(param)).unwrap().is_clean());
        }
    }
}

#[test]
fn growth_keeps_what_lives_and_never_exceeds_its_room() {
    let mut random = fresh();
    let (_, mut splats) = scene(&mut random, 64, 64, 200);
    splats.tensors[OPACITY][3] = -8.0;
    splats.tensors[SCALE][10..12].fill(-3.0);
    let statistics: Vec<[f32; 2]> = (0..200).map(|_| [random.fraction() as f32, 2.0]).collect();
    for most in [200, 210, 1000] {
        let growth = densify::plan(&splats, &statistics, most, &mut random);
        assert_eq!(growth.pruned, 2);
        assert!(growth.from.len() <= most);
        assert_eq!(growth.from.len(), 200 - 2 + growth.cloned + growth.split);
        assert_eq!(growth.cloned + growth.split, (most - 198).min(40));
        assert!(most < 1000 || growth.split > 0 && growth.cloned > 0);
        assert_eq!(growth.new.len(), growth.cloned + 2 * growth.split);
        assert!(!growth.from.contains(&3) && !growth.from.contains(&5), "both were to be pruned");
        let survivors = &growth.from[..growth.from.len() - growth.new.len()];
        assert!(survivors.is_sorted() && !survivors.contains(&RowMap::NONE));
        let (clones, halves) = growth.from[survivors.len()..].split_at(growth.cloned);
        assert!(clones.iter().all(|row| survivors.contains(row)));
        assert!(halves.iter().all(|&row| row == RowMap::NONE));
    }
}

/// A parameter's moments, `[rows, dim]` each.
fn moments(optimizer: &SparseAdam, model: &Model) -> Vec<[Vec<f32>; 2]> {
    let state = |param| pollster::block_on(optimizer.state_of(param)).unwrap().unwrap();
    model
        .params
        .iter()
        .map(|&param| state(param))
        .map(|state| [state.exp_avg, state.exp_avg_sq])
        .collect()
}

#[test]
fn moments_follow_their_splats_and_halves_have_none() {
    let (gpu, mut random) = (open(), fresh());
    let (target, splats) = scene(&mut random, 64, 64, 90);
    let shape = Shape { width: 64, height: 64, chosen: 16, most: 130, dense: false };
    let (mut optimizer, mut model) = model(&gpu, shape, &target, &splats);
    for _ in 0..3 {
        let tiles = some(&mut random, shape);
        gpu.submit(|encoder| model.step(&gpu, &mut optimizer, encoder, &tiles)).unwrap();
    }
    let before = pollster::block_on(model.read_splats(&gpu)).unwrap();
    let (_, statistics) = pollster::block_on(model.read_grads(&gpu)).unwrap();
    let old = moments(&optimizer, &model);
    let growth = densify::plan(&before, &statistics, 130, &mut random);
    model.remap(&gpu, &mut optimizer, &growth).unwrap();
    let after = pollster::block_on(model.read_splats(&gpu)).unwrap();
    let new = moments(&optimizer, &model);
    assert_eq!(after.len(), growth.from.len());
    let survivors = growth.from.len() - growth.new.len();
    for (row, &from) in growth.from.iter().enumerate() {
        for (tensor, Tensor { dim, .. }) in TENSORS.iter().enumerate() {
            let dim = *dim as usize;
            for (new, old) in new[tensor].iter().zip(&old[tensor]) {
                let expected = match from {
                    RowMap::NONE => vec![0.0; dim],
                    from => old[from as usize * dim..][..dim].to_vec(),
                };
                assert_eq!(new[row * dim..][..dim], expected, "moments of row {row}, once {from}");
            }
            let expected = match row.checked_sub(survivors) {
                None => before.row(tensor, from as usize),
                Some(row) => growth.new.row(tensor, row),
            };
            assert_eq!(after.row(tensor, row), expected, "{} {row}", TENSORS[tensor].name);
        }
    }
    let (_, statistics) = pollster::block_on(model.read_grads(&gpu)).unwrap();
    assert!(statistics.iter().all(|&of| of == [0.0; 2]), "they begin anew");
    let tiles = some(&mut random, shape);
    gpu.submit(|encoder| model.step(&gpu, &mut optimizer, encoder, &tiles)).unwrap();
    for param in model.params {
        assert!(pollster::block_on(optimizer.status(param)).unwrap().is_clean());
    }
}

#[test]
fn the_same_seed_gives_the_same_bits() {
    let gpu = open();
    let options = Options {
        splats: 50,
        most: 120,
        steps: 60,
        tiles: 5,
        grow_every: 20,
        dense: false,
        seed: 3,
    };
    let run = || {
        let mut fit = Fit::new(gpu.clone(), Picture::dusk(64), options).unwrap();
        while fit.done < options.steps {
            fit.step().unwrap();
            if fit.is_growing_due() {
                pollster::block_on(fit.grow()).unwrap();
            }
        }
        let splats = pollster::block_on(fit.model.read_splats(&gpu)).unwrap();
        splats.tensors.map(|tensor| tensor.into_iter().map(f32::to_bits).collect::<Vec<_>>())
    };
    let first = run();
    assert!(first[ROTATION].len() > 60);
    assert!(first == run());
}

#[test]
fn every_tile_is_drawn_once_before_any_is_drawn_again() {
    let gpu = open();
    let options =
        Options { splats: 20, most: 20, steps: 9, tiles: 7, grow_every: 0, dense: false, seed: 1 };
    let mut fit = Fit::new(gpu, Picture::dusk(70), options).unwrap();
    let mut tiles: Vec<u32> = (0..4).flat_map(|_| fit.step().unwrap()).collect();
    tiles.sort_unstable();
    assert_eq!(tiles, (0..25).collect::<Vec<_>>());
}
