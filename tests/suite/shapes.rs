//! Rows of any length, any number of entries, any duplication, any valid tuning: equal to the twin.
//!
//! Other seeds each run; `SPARSE_ADAM_SEED` repeats one.

use sparse_adam::reference::Gradient;
use sparse_adam::{AdamOptions, Tuning};
use sparse_adam_testkit::campaign::{fresh_seed, random_tuning};
use sparse_adam_testkit::headless::Gpu;
use sparse_adam_testkit::{Pair, Rng, gpus, variants};
use wgpu::Limits;

/// Lengths of rows that people use, and those around every width and slice.
const DIMS: [usize; 19] = [
    255, 256, 257, 300, 301, 512, 513, 601, 768, 1000, 1024, 1536, 2050, 4096, 12_288, 65_535,
    65_536, 65_537, 99_999,
];

/// Values that a case may have in its table, and in its gradient.
const MOST_VALUES: usize = 600_000;

/// How often rows are named.
#[derive(Clone, Copy, Debug)]
enum Named {
    Once,
    Anywhere,
    /// Every entry names one row.
    Hot,
    /// Two entries of three name row 0, as padding does.
    Padding,
    /// Runs of up to 63 entries beside runs of one: the longest wait in a SIMD group.
    Ragged,
}

const NAMED: [Named; 5] = [Named::Once, Named::Anywhere, Named::Hot, Named::Padding, Named::Ragged];

fn indices(rng: &mut Rng, named: Named, rows: usize, nnz: usize) -> Vec<i64> {
    let mut indices: Vec<i64> = match named {
        Named::Once => (0..rows.min(nnz) as i64).collect(),
        Named::Anywhere => (0..nnz).map(|_| rng.below(rows) as i64).collect(),
        Named::Hot => vec![rng.below(rows) as i64; nnz],
        Named::Padding => {
            let index = |rng: &mut Rng| if rng.below(3) > 0 { 0 } else { rng.below(rows) };
            (0..nnz).map(|_| index(rng) as i64).collect()
        }
        Named::Ragged => {
            let length = |row: usize| if row.is_multiple_of(8) { 63 } else { 1 + row % 2 };
            let runs = (0..rows).flat_map(|row| std::iter::repeat_n(row as i64, length(row)));
            runs.take(nnz).collect()
        }
    };
    for last in (1..indices.len()).rev() {
        indices.swap(last, rng.below(last + 1));
    }
    indices
}

fn gradient(rng: &mut Rng, named: Named, (rows, dim): (usize, usize), nnz: usize) -> Gradient<f32> {
    let indices = indices(rng, named, rows, nnz);
    let values = rng.floats(indices.len() * dim);
    Gradient { indices, values }
}

/// Two steps of a table of rows of `dim` values, by gradients that `rng` draws.
fn check(on: (&'static Gpu, Tuning), dim: usize, rng: &mut Rng, what: &str) {
    let most = (MOST_VALUES / dim).max(2);
    let rows = 1 + rng.below(most);
    let mut pair = Pair::new(on, &[(rows, dim)], &[AdamOptions::default()], rng);
    let mut said = String::new();
    for _ in 0..2 {
        let (named, nnz) = (NAMED[rng.below(NAMED.len())], 1 + rng.below(most));
        said += &format!(" {named:?} {nnz}");
        let grad = gradient(rng, named, (rows, dim), nnz);
        pair.step(&[Some(grad)]);
    }
    pair.assert_equal(&format!("{what}: {rows} x {dim},{said}, {:?}", on.1));
}

#[test]
fn wide_rows_equal_their_twins() {
    let seed = fresh_seed();
    for on in variants() {
        let mut rng = Rng(seed);
        let most = |dim: usize| (MOST_VALUES / dim).max(2);
        let shapes = DIMS.map(|dim| (1 + rng.below(most(dim)), dim));
        let mut pair = Pair::new(on, &shapes, &[AdamOptions::default(); DIMS.len()], &mut rng);
        let mut said = String::new();
        for (table, shape) in shapes.into_iter().enumerate() {
            // One table per step, so that small steps are among them.
            for _ in 0..2 {
                let (named, nnz) = (NAMED[rng.below(NAMED.len())], 1 + rng.below(most(shape.1)));
                said += &format!(" {shape:?} {named:?} {nnz}");
                let mut grads = vec![None; DIMS.len()];
                grads[table] = Some(gradient(&mut rng, named, shape, nnz));
                pair.step(&grads);
            }
        }
        pair.assert_equal(&format!("seed {seed}, {:?},{said}", on.1.form));
    }
}

/// What was once cut short without a word, as it was found.
#[test]
fn rows_that_were_once_cut_short() {
    let cases = [
        (4000, 301, Named::Anywhere, 16_384),
        (4000, 513, Named::Anywhere, 16_384),
        (50, 300, Named::Hot, 1000),
        (50, 768, Named::Hot, 700),
        (50, 513, Named::Hot, 127),
        (2000, 1024, Named::Padding, 1024),
        (64, 65_535, Named::Once, 64),
        // Long runs, whose chunk sums the update adds column by column.
        (9, 768, Named::Hot, 4096),
        (9, 800, Named::Hot, 3700),
        (9, 301, Named::Hot, 5000),
    ];
    for on in variants() {
        let mut rng = Rng(31);
        let shapes = cases.map(|(rows, dim, ..)| (rows, dim));
        let options = [AdamOptions::default(); 10];
        let mut pair = Pair::new(on, &shapes, &options, &mut rng);
        for (table, (rows, dim, named, nnz)) in cases.into_iter().enumerate() {
            let mut grads = vec![None; cases.len()];
            grads[table] = Some(gradient(&mut rng, named, (rows, dim), nnz));
            pair.step(&grads);
        }
        pair.assert_equal(&format!("{:?}", on.1.form));
    }
}

#[test]
fn every_valid_tuning_equals_the_twin() {
    let seed = fresh_seed();
    for gpu in gpus() {
        for case in 0..12 {
            let mut rng = Rng(seed ^ case << 32);
            let tuning = random_tuning(&mut rng);
            let dim = if rng.below(3) == 0 { DIMS[rng.below(12)] } else { 1 + rng.below(280) };
            check((gpu, tuning), dim, &mut rng, &format!("seed {seed}, case {case}"));
        }
    }
}

#[test]
fn sliced_rows_with_values_over_several_bindings_equal_their_twins() {
    let limits = Limits {
        max_storage_buffer_binding_size: 1 << 20,
        max_storage_buffers_per_shader_stage: 8,
        ..gpus()[0].device.limits()
    };
    let gpu = pollster::block_on(Gpu::open_with_limits(limits)).unwrap();
    let gpu: &'static Gpu = Box::leak(Box::new(gpu));
    for tuning in [Tuning::CPU, Tuning::GPU] {
        let mut rng = Rng(77);
        for (dim, nnz) in [(301, 3000), (768, 1500), (10_000, 110), (65_536, 18)] {
            let mut pair = Pair::single((gpu, tuning), 40, dim, &mut rng);
            let grad = gradient(&mut rng, Named::Padding, (40, dim), nnz);
            pair.step(&[Some(grad)]);
            pair.assert_equal(&format!("{dim} x {nnz}, {:?}", tuning.form));
        }
    }
}

#[test]
fn small_tiles_long_runs_and_a_table_of_one_entry_equal_their_twins() {
    let shapes = [(9, 800), (5, 1200), (4000, 3)];
    for (gpu, mut tuning) in variants() {
        for tile in [1, 16, 256] {
            (tuning.update_tile, tuning.max_lanes, tuning.sums_at_once) = (tile, 1, 1);
            let mut rng = Rng(78);
            let options = [AdamOptions::default(); 3];
            let mut pair = Pair::new((gpu, tuning), &shapes, &options, &mut rng);
            let nnz = [5000, 1, 4000];
            let grads = [0, 1, 2]
                .map(|table| Some(gradient(&mut rng, Named::Padding, shapes[table], nnz[table])));
            pair.step(&grads);
            pair.assert_equal(&format!("tiles of {tile}, {:?}", tuning.form));
        }
    }
}
