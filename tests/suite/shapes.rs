//! Rows of any length, any number of entries, any duplication, any valid tuning: equal to the twin.
//!
//! Other seeds each run; `SPARSE_ADAM_SEED` repeats one.

use sparse_adam::reference::{self, Gradient, gather_values};
use sparse_adam::{AdamOptions, Duplicates, Form, Format, IndexDtype, SparseGrad, Tuning};
use sparse_adam_testkit::campaign::{fresh_seed, random_tuning};
use sparse_adam_testkit::headless::Gpu;
use sparse_adam_testkit::{Named, Pair, Rng, Stored, encode, gpus, variants};
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

/// An adapter whose bindings hold so many bytes.
fn with_bindings_of(bytes: u64) -> Gpu {
    let limits = Limits {
        max_storage_buffer_binding_size: bytes,
        max_storage_buffers_per_shader_stage: 8,
        ..gpus()[0].device.limits()
    };
    pollster::block_on(Gpu::open_with_limits(limits)).unwrap()
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

/// What is in order already is not sorted, in whatever number of passes, whatever the step before it left behind, and wherever
/// the one entry is that is out of order: at the ends, or at a border of the sort's tiles, of which there are eight.
#[test]
fn rows_in_order_but_for_none_or_one_equal_the_twin() {
    let seed = fresh_seed();
    for (gpu, mut tuning) in variants() {
        let mut rng = Rng(seed);
        // More than one dispatch sorts.
        let (nnz, dim) = (tuning.small.max(2048) as usize + 1 + rng.below(4000), 1);
        let tile = nnz.div_ceil(8);
        let swaps =
            [None, Some(1), Some(nnz - 1), Some(tile), Some(tile - 1), Some(5 * tile), None];
        // Of keys of so many bits: one pass, two, and three.
        for (rows, digit_bits) in [(900, 10), (100_000, 10), (100_000, 6)] {
            if tuning.form == Form::Serial {
                tuning.digit_bits = digit_bits;
            }
            let mut pair = Pair::single((gpu, tuning), rows, dim, &mut rng);
            for swap in swaps {
                let mut indices: Vec<i64> = (0..nnz).map(|_| rng.below(rows) as i64).collect();
                indices.sort_unstable();
                if let Some(at) = swap {
                    (indices[at - 1], indices[at]) = (rows as i64 - 1, 0);
                }
                let values = rng.floats(nnz * dim);
                pair.step(&[Some(Gradient { indices, values })]);
                let what = format!("seed {seed}: {nnz} entries of {rows}, {swap:?}, {digit_bits}");
                pair.assert_equal(&what);
            }
        }
    }
}

/// All tables' pairs are sorted at once, and are in order only if those of each are; some are promised to come once.
#[test]
fn tables_in_order_beside_others_that_are_not_equal_their_twins() {
    let seed = fresh_seed();
    for (number, on) in (0..).zip(variants()) {
        let mut rng = Rng(seed ^ number << 40);
        let shapes = [(3000, 4), (9, 3), (70_000, 1), (800, 8)];
        let mut pair = Pair::new(on, &shapes, &[AdamOptions::default(); 4], &mut rng);
        let mut said = String::new();
        for _ in 0..6 {
            let mut grads = Vec::new();
            for (table, (rows, dim)) in shapes.into_iter().enumerate() {
                let kinds = [Named::InOrder, Named::InOrder, Named::NearlyInOrder, Named::Once];
                let (named, nnz) = (kinds[rng.below(4)], rng.below(2500));
                said += &format!(" {table} {named:?} {nnz}");
                let grad = named.gradient(&mut rng, (rows, dim), nnz);
                let once = matches!(named, Named::Once) && rng.below(2) == 0;
                let duplicates = if once { Duplicates::None } else { Duplicates::Summed };
                let set = pair.sparse_grad(&grad, IndexDtype::I64).duplicates(duplicates);
                pair.optimizer.set_grad(pair.ids[table], set).unwrap();
                // In order each by itself.
                if !once && rng.below(3) == 0 {
                    let more = Named::InOrder.gradient(&mut rng, (rows, dim), 1 + nnz / 3);
                    let set = pair.sparse_grad(&more, IndexDtype::U32);
                    pair.optimizer.accumulate_grad(pair.ids[table], set).unwrap();
                    said += " and more";
                    let indices = [grad.indices, more.indices].concat();
                    let values = [grad.values, more.values].concat();
                    grads.push(Gradient { indices, values });
                } else {
                    grads.push(grad);
                }
            }
            for (table, grad) in grads.iter().enumerate() {
                pair.step_twin(table, grad);
            }
            pair.submit_step();
            pair.assert_equal(&format!("seed {seed}, {number}:{said}"));
        }
    }
}

/// Weighted values in 16 bits, in two bindings to five, of hot rows beside others.
#[test]
fn narrow_weighted_values_over_several_bindings_equal_their_twins() {
    let gpu = with_bindings_of(1 << 18);
    let seed = fresh_seed();
    for tuning in [Tuning::CPU, Tuning::GPU] {
        let mut rng = Rng(seed);
        for (dim, bindings) in [(64, 2), (20, 3), (50, 3), (33, 4), (8, 5)] {
            let format = [Format::F16, Format::Bf16][rng.below(2)];
            let (rows, nnz, shared) = (40, 6000, bindings * (1 << 17) / dim - 40);
            let stored = Stored { values: format, ..Stored::default() };
            let table = [((rows, dim), AdamOptions::default(), stored)];
            let mut pair = Pair::stored((&gpu, tuning), &table, &mut rng);
            for _ in 0..2 {
                let values = rng.floats(shared * dim);
                let map: Vec<_> = (0..nnz).map(|_| rng.below(shared) as u32).collect();
                let weights = rng.floats(nnz);
                let indices = Named::Padding.gradient(&mut rng, (rows, 1), nnz).indices;
                let of_all = Gradient { indices: Vec::new(), values: values.clone() };
                let rounded = stored.rounded(&of_all).values;
                let same = gather_values(&rounded, dim, &map, Some(&weights));
                let words = format.pack(&values);
                let held = pair.hold(&encode(&indices, IndexDtype::U32));
                let grad = SparseGrad::new(held, pair.hold(&words), nnz as u32).format(format);
                let grad = grad.value_map(pair.hold(&map), shared as u32);
                let grad = grad.weights(pair.hold(&weights));
                pair.optimizer.set_grad(pair.ids[0], grad).unwrap();
                // Products of narrow values and weights are not rounded.
                let same = Gradient { indices, values: same };
                reference::step(&mut pair.twins[0], &same, &AdamOptions::default());
                pair.submit_step();
            }
            pair.assert_equal(&format!(
                "seed {seed}, rows of {dim}, {format:?}, {:?}",
                tuning.form
            ));
        }
    }
}

/// A chunk's value rows may be in any order in several bindings: descending, back and forth, or the same again.
#[test]
fn maps_over_several_bindings_equal_their_twins() {
    let gpu = with_bindings_of(1 << 18);
    let seed = fresh_seed();
    for tuning in [Tuning::CPU, Tuning::GPU] {
        let mut rng = Rng(seed);
        for dim in [64, 44, 13, 50, 301] {
            // Three bindings and some.
            let (rows, nnz, shared) =
                (9, if dim > 64 { 4000 } else { 9000 }, 3 * (1 << 16) / dim + 50);
            let mut pair = Pair::single((&gpu, tuning), rows, dim, &mut rng);
            let values = rng.floats(shared * dim);
            let descending = |entry: usize| shared - 1 - entry * shared / nnz;
            let back_and_forth = |entry: usize| (entry % 2) * (shared - 1);
            let drawn: Vec<_> = (0..nnz).map(|_| rng.below(shared)).collect();
            let maps =
                [(0..nnz).map(descending).collect(), (0..nnz).map(back_and_forth).collect(), drawn];
            for (number, map) in maps.iter().enumerate() {
                let indices = vec![number as i64; nnz - 300].into_iter();
                let indices: Vec<_> = indices.chain((0..300).map(|at| at % rows as i64)).collect();
                let map: Vec<_> = map.iter().map(|&row| row as u32).collect();
                let same = gather_values(&values, dim, &map, None);
                let held = pair.hold(&encode(&indices, IndexDtype::U32));
                let grad = SparseGrad::new(held, pair.hold(&values), nnz as u32);
                let grad = grad.value_map(pair.hold(&map), shared as u32);
                pair.step_as(0, grad, &Gradient { indices, values: same });
            }
            pair.assert_equal(&format!("seed {seed}, rows of {dim}, {:?}", tuning.form));
        }
    }
}

#[test]
fn sliced_rows_with_values_over_several_bindings_equal_their_twins() {
    let gpu = with_bindings_of(1 << 20);
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
