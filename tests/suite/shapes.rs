//! Rows of any length, any number of entries, any duplication, any valid tuning: equal to the twin.
//!
//! Other seeds each run; `SPARSE_ADAM_SEED` repeats one.

use sparse_adam::{AdamOptions, Tuning};
use sparse_adam_testkit::campaign::{fresh_seed, random_tuning};
use sparse_adam_testkit::headless::Gpu;
use sparse_adam_testkit::{Named, Pair, Rng, gpus, variants};
use wgpu::Limits;

/// Lengths of rows that people use, and those around every width.
const DIMS: [usize; 12] = [255, 256, 257, 300, 301, 512, 513, 601, 768, 1000, 1024, 1536];

/// Values that a case may have in its table, and in its gradient.
const MOST_VALUES: usize = 600_000;

/// Two steps of a table of rows of `dim` values, by gradients that `rng` draws.
fn check(on: (&'static Gpu, Tuning), dim: usize, rng: &mut Rng, what: &str) {
    let most = (MOST_VALUES / dim).max(2);
    let rows = 1 + rng.below(most);
    let mut pair = Pair::new(on, &[(rows, dim)], &[AdamOptions::default()], rng);
    let mut said = String::new();
    for _ in 0..2 {
        let (named, nnz) = (Named::any(rng), 1 + rng.below(most));
        said += &format!(" {named:?} {nnz}");
        let grad = named.gradient(rng, (rows, dim), nnz);
        pair.step(&[Some(grad)]);
    }
    pair.assert_equal(&format!("{what}: {rows} x {dim},{said}, {:?}", on.1));
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
            grads[table] = Some(named.gradient(&mut rng, (rows, dim), nnz));
            pair.step(&grads);
        }
        pair.assert_equal(&format!("{:?}", on.1.form));
    }
}

#[test]
fn every_valid_tuning_equals_the_twin() {
    let seed = fresh_seed();
    for gpu in gpus() {
        for case in 0..6 {
            let mut rng = Rng(seed ^ case << 32);
            let tuning = random_tuning(&mut rng);
            let dim =
                if rng.below(3) == 0 { DIMS[rng.below(DIMS.len())] } else { 1 + rng.below(280) };
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
    for tuning in [Tuning::CPU, Tuning::GPU] {
        let mut rng = Rng(77);
        for (dim, nnz) in [(301, 3000), (768, 1500), (10_000, 110), (65_536, 18)] {
            let mut pair = Pair::single((&gpu, tuning), 40, dim, &mut rng);
            let grad = Named::Padding.gradient(&mut rng, (40, dim), nnz);
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
            if tile == 1 {
                // A workgroup for every position: software adapters go through the invocations of each.
                tuning.workgroup = 16;
            }
            let mut rng = Rng(78);
            let options = [AdamOptions::default(); 3];
            let mut pair = Pair::new((gpu, tuning), &shapes, &options, &mut rng);
            let nnz = [5000, 1, 4000];
            let grads = [0, 1, 2]
                .map(|table| Some(Named::Padding.gradient(&mut rng, shapes[table], nnz[table])));
            pair.step(&grads);
            pair.assert_equal(&format!("tiles of {tile}, {:?}", tuning.form));
        }
    }
}
