//! The sorts of the parallel form: tables of few entries, each sorted by a workgroup, and all others together, in every way that a
//! tuning can choose. Equal to their twins.
//!
//! Other seeds each run; `SPARSE_ADAM_SEED` repeats one.

use sparse_adam::reference::{self, Gradient};
use sparse_adam::{AdamOptions, Duplicates, IndexDtype, Tuning};
use sparse_adam_testkit::campaign::fresh_seed;
use sparse_adam_testkit::headless::Gpu;
use sparse_adam_testkit::{Named, Pair, Rng, gpus};
use wgpu::{Features, Limits};

/// Entries around the borders of what an invocation has, of the network, and of all.
const BORDERS: [usize; 12] = [1, 2, 255, 256, 257, 1023, 1024, 1025, 2047, 2048, 2049, 4096];

/// A gradient of up to `nnz` entries, some of which name no row, and the same without these.
fn gradient(rng: &mut Rng, rows: usize, dim: usize, nnz: usize) -> [Gradient<f32>; 2] {
    let mut given = Named::any(rng).gradient(rng, (rows, dim), nnz);
    let one_in = [3, 50, usize::MAX][rng.below(3)];
    let mut known = Gradient { indices: Vec::new(), values: Vec::new() };
    for (entry, index) in given.indices.iter_mut().enumerate() {
        if rng.below(one_in) == 0 {
            *index = (rows + rng.below(1000)) as i64;
        } else {
            known.indices.push(*index);
            known.values.extend_from_slice(&given.values[entry * dim..][..dim]);
        }
    }
    [given, known]
}

/// Up to so many entries, a number around a border more often than not.
fn entries(rng: &mut Rng) -> usize {
    let border = BORDERS[rng.below(BORDERS.len())];
    border.min([1 + rng.below(4096), 4096][rng.below(2)])
}

/// Steps of so many tables, whose last has `most` rows, by so many entries. Returns the dispatches of the last.
fn check(
    tuning: Tuning,
    (tables, most): (usize, usize),
    entries: fn(&mut Rng) -> usize,
    rng: &mut Rng,
    what: &str,
) -> u32 {
    let mut dispatches = 0;
    for gpu in gpus() {
        let mut said = format!("{what}, {}", gpu.info.driver);
        let mut rng = Rng(rng.next());
        let rows = |rng: &mut Rng| [1, 15, 16, 255, 256, 1 + rng.below(9000)][rng.below(6)];
        let mut shapes: Vec<_> = (1..tables).map(|_| (rows(&mut rng), 1 + rng.below(5))).collect();
        shapes.push((most, 1));
        let options = vec![AdamOptions::default(); tables];
        let mut pair = Pair::new((gpu, tuning), &shapes, &options, &mut rng);
        for _ in 0..2 {
            pair.optimizer.clear_grads();
            for (table, &(rows, dim)) in shapes.iter().enumerate() {
                let nnz = entries(&mut rng);
                let [given, known] = gradient(&mut rng, rows, dim, nnz);
                let dtype = [IndexDtype::U32, IndexDtype::U32, IndexDtype::I64][rng.below(3)];
                said += &format!(" {rows} x {dim}: {}", given.indices.len());
                let set = pair.sparse_grad(&given, dtype);
                pair.optimizer.set_grad(pair.ids[table], set).unwrap();
                reference::step(&mut pair.twins[table], &known, &pair.options[table]);
            }
            pair.submit_step();
        }
        pair.assert_equal(&said);
        dispatches = pair.optimizer.dispatches();
    }
    dispatches
}

/// By the network, and by digits, however few entries there are.
#[test]
fn any_tables_of_few_entries_equal_their_twins() {
    let seed = fresh_seed();
    for case in 0..8 {
        let mut rng = Rng(seed ^ case << 36);
        let mut tuning = Tuning::GPU;
        tuning.bitonic = [1, 300, 1024][rng.below(3)];
        let (tables, most) = ([1, 1 + rng.below(9)][rng.below(2)], 1 + rng.below(70_000));
        let what = format!("SPARSE_ADAM_SEED={seed}, case {case}");
        let dispatches = check(tuning, (tables, most), entries, &mut rng, &what);
        assert!(tables > 1 || dispatches == 2, "{what}: {dispatches}");
    }
}

/// Keys that fill the word of a pair to its last bit, with as many entries as that leaves room for, and one bit more.
#[test]
fn keys_of_as_many_bits_as_a_pair_holds_equal_their_twins() {
    let seed = fresh_seed();
    let mut tuning = Tuning::GPU;
    tuning.bitonic = 1;
    for (most, is_small) in [((1 << 24) - 1, true), (1 << 24, false)] {
        let mut rng = Rng(seed);
        let what = format!("SPARSE_ADAM_SEED={seed}");
        let dispatches = check(tuning, (1, most), |_| 4096, &mut rng, &what);
        assert_eq!(dispatches == 2, is_small, "{what}: {dispatches}");
    }
}

/// Few entries each of tables of several windows, whose values lie in several bindings: weighted, of a count that the GPU knows,
/// promised to come once, or none of these, side by side.
#[test]
fn few_entries_of_every_kind_over_several_bindings_equal_their_twins() {
    let seed = fresh_seed();
    let limits = Limits {
        max_storage_buffer_binding_size: 256 << 10,
        max_storage_buffers_per_shader_stage: 8,
        ..gpus()[0].device.limits()
    };
    let gpu = pollster::block_on(Gpu::open_with_limits(limits)).unwrap();
    let shapes = [(3000, 37), (700, 5), (2000, 12), (900, 50)];
    for case in 0..4 {
        let mut rng = Rng(seed ^ case << 36);
        let mut tuning = Tuning::GPU;
        tuning.bitonic = [1, 1024][rng.below(2)];
        let mut pair = Pair::new((&gpu, tuning), &shapes, &[AdamOptions::default(); 4], &mut rng);
        let mut said = format!("SPARSE_ADAM_SEED={seed}, case {case}");
        for _ in 0..2 {
            pair.optimizer.clear_grads();
            for (table, &(rows, dim)) in shapes.iter().enumerate() {
                let (kind, nnz) = (rng.below(4), entries(&mut rng));
                let named = if kind == 2 { Named::Once } else { Named::any(&mut rng) };
                let mut known = named.gradient(&mut rng, (rows, dim), nnz);
                let mut set = pair.sparse_grad(&known, IndexDtype::U32);
                match kind {
                    0 => {
                        let weights = rng.floats(known.indices.len());
                        set = set.weights(pair.hold(&weights));
                        let values = known.values.chunks_mut(dim).zip(weights);
                        values.for_each(|(row, by)| row.iter_mut().for_each(|x| *x *= by));
                    }
                    1 => {
                        let count = rng.below(2 * known.indices.len());
                        set = set.count(pair.hold(&[count as u32]));
                        known.indices.truncate(count);
                        known.values.truncate(count * dim);
                    }
                    2 => set = set.duplicates(Duplicates::None),
                    _ => {}
                }
                said += &format!(", {kind} {named:?} {nnz}");
                pair.optimizer.set_grad(pair.ids[table], set).unwrap();
                reference::step(&mut pair.twins[table], &known, &pair.options[table]);
            }
            pair.submit_step();
        }
        pair.assert_equal(&said);
    }
}

/// Of one pass and of several, with tiles of one round and of many, with and without a scan; by ballots and masks, at once and in
/// order, counted ahead and not.
#[test]
fn every_way_to_sort_many_entries_equals_the_twin() {
    let seed = fresh_seed();
    let gpu = pollster::block_on(Gpu::open_with_features(Features::SUBGROUP)).unwrap();
    let mut ways: Vec<u8> = (0..8).collect();
    let mut rng = Rng(seed);
    rng.shuffle(&mut ways);
    for (case, way) in (0..).zip(ways) {
        let mut rng = Rng(seed ^ case << 36);
        let mut tuning = Tuning::GPU;
        tuning.small = 1;
        tuning.digit_bits = 1 + rng.below(8) as u32;
        tuning.ballots = way & 1 > 0;
        tuning.reorder_from = if way & 2 > 0 { 1 } else { u32::MAX };
        tuning.count_ahead = way & 4 > 0;
        let rows = [1, 2, 300, 70_000, 1 << 20][rng.below(5)];
        let most = [300, 5000, 140_000, 300_000][rng.below(4)];
        let named = [Named::Anywhere, Named::Hot, Named::Padding, Named::NearlyInOrder];
        let shapes = [(rows, 1), (50, 2)];
        let options = [AdamOptions::default(); 2];
        let mut pair = Pair::new((&gpu, tuning), &shapes, &options, &mut rng);
        let mut said = format!("SPARSE_ADAM_SEED={seed}, {rows} rows, {tuning:?}");
        for _ in 0..2 {
            let (named, nnz) = (named[rng.below(4)], 2 + rng.below(most));
            said += &format!(", {nnz} {named:?}");
            let grad = named.gradient(&mut rng, (rows, 1), nnz);
            let beside = Named::any(&mut rng).gradient(&mut rng, (50, 2), 1 + nnz / 7);
            pair.step(&[Some(grad), Some(beside)]);
        }
        pair.assert_equal(&said);
    }
}
