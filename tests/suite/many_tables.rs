//! Steps of many small tables, several of which a dispatch takes where the device lets it bind so much.
//!
//! Other seeds each run; `SPARSE_ADAM_SEED` repeats one.

use sparse_adam::{AdamOptions, Duplicates, IndexDtype, Tuning};
use sparse_adam_testkit::campaign::fresh_seed;
use sparse_adam_testkit::headless::Gpu;
use sparse_adam_testkit::{Pair, Rng, Stored, gpus, variants};
use wgpu::Limits;

/// An adapter that binds so many storage buffers per dispatch.
pub(super) fn with_buffers(buffers: u32) -> Gpu {
    let limits =
        Limits { max_storage_buffers_per_shader_stage: buffers, ..gpus()[0].device.limits() };
    pollster::block_on(Gpu::open_with_limits(limits)).unwrap()
}

/// One step in which most tables have a gradient: small or not, of a common list or another, some entries of which name nothing.
/// Returns how many of these each table has.
fn step(pair: &mut Pair<'_>, rng: &mut Rng) -> Vec<u32> {
    let mut outside = vec![0; pair.ids.len()];
    pair.optimizer.clear_grads();
    for (table, outside) in outside.iter_mut().enumerate() {
        if rng.below(6) == 0 {
            continue;
        }
        let (rows, dim) = (pair.twins[table].rows(), pair.twins[table].dim);
        let most = [2, 90, 700, 5000][rng.below(4)];
        let nnz = 1 + rng.below(most);
        let mut grad = rng.gradient(rows, dim, nnz);
        let dtype = [IndexDtype::U32, IndexDtype::U32, IndexDtype::I64][rng.below(3)];
        let is_unique = rng.below(6) == 0;
        if is_unique {
            grad.indices = rng.permutation(rows);
            grad.indices.truncate(nnz);
            grad.values.truncate(grad.indices.len() * dim);
        } else {
            for index in &mut grad.indices {
                if rng.below(40) == 0 {
                    *index = (rows + rng.below(9)) as i64;
                    *outside += 1;
                }
            }
        }
        let duplicates = if is_unique { Duplicates::None } else { Duplicates::Summed };
        let set = pair.sparse_grad(&grad, dtype).duplicates(duplicates);
        pair.optimizer.set_grad(pair.ids[table], set).unwrap();
        let mut known = grad.clone();
        let is_row = |entry: &usize| grad.indices[*entry] < rows as i64;
        let there: Vec<usize> = (0..grad.indices.len()).filter(is_row).collect();
        known.indices = there.iter().map(|&entry| grad.indices[entry]).collect();
        known.values =
            there.iter().flat_map(|entry| grad.values[entry * dim..][..dim].to_vec()).collect();
        sparse_adam::reference::step(&mut pair.twins[table], &known, &pair.options[table]);
    }
    pair.submit_step();
    outside
}

/// Steps of up to thirty tables, which equal their twins and have counted what was wrong, each its own.
fn check(on: (&Gpu, Tuning), rng: &mut Rng, what: &str) {
    let narrow = Stored::any(rng);
    let kinds = [
        (rng.options(), Stored::default()),
        (AdamOptions::default().lr(0.02), Stored::default()),
        (AdamOptions::default(), Stored { values: narrow.values, ..Stored::default() }),
    ];
    let most_rows = [9, 300, 9000][rng.below(3)];
    let of = |rng: &mut Rng| {
        let (options, stored) = kinds[[0, 1, 1, 1, 1, 2][rng.below(6)]];
        let dim = [8, 8, 8, 3, 64][rng.below(5)];
        // So many rows that pairs are sorted in one, two or three passes, which end in one buffer or the other.
        ((1 + rng.below(most_rows), dim), options, stored)
    };
    let tables: Vec<_> = (0..2 + rng.below(29)).map(|_| of(rng)).collect();
    let mut pair = Pair::stored(on, &tables, rng);
    let mut outside = vec![0; tables.len()];
    for _ in 0..3 {
        let more = step(&mut pair, rng);
        outside.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
    }
    pair.assert_equal(what);
    pair.assert_inputs_whole(what);
    for (table, outside) in outside.into_iter().enumerate() {
        assert_eq!(pair.status(table).out_of_range, outside, "{what}, table {table}");
    }
}

#[test]
fn many_small_tables_equal_their_twins() {
    let seed = fresh_seed();
    for (number, on) in (0..).zip(variants()) {
        let mut rng = Rng(seed ^ number << 40);
        check(on, &mut rng, &format!("SPARSE_ADAM_SEED={seed}, {number}"));
    }
}

#[test]
fn however_many_buffers_a_dispatch_may_bind_the_bits_are_the_same() {
    let seed = fresh_seed();
    for buffers in [4, 5, 8] {
        let gpu = with_buffers(buffers);
        let mut rng = Rng(seed ^ u64::from(buffers));
        check(
            (&gpu, Tuning::GPU),
            &mut rng,
            &format!("SPARSE_ADAM_SEED={seed}, {buffers} buffers"),
        );
    }
}

#[test]
fn twenty_six_tables_of_their_own_buffers_take_thirty_dispatches_at_most() {
    let dispatches = |buffers| {
        let gpu = with_buffers(buffers);
        let tables = [((500, 32), AdamOptions::default()); 26];
        let shapes = tables.map(|(shape, _)| shape);
        let options = tables.map(|(_, options)| options);
        let mut pair = Pair::new((&gpu, Tuning::GPU), &shapes, &options, &mut Rng(3));
        let mut rng = Rng(4);
        let grads: Vec<_> = shapes.iter().map(|_| Some(rng.gradient(500, 32, 4096))).collect();
        pair.step(&grads);
        pair.assert_equal("26 tables");
        pair.optimizer.dispatches()
    };
    assert!(dispatches(8) <= 30, "{}", dispatches(8));
    assert!(dispatches(4) > 50, "{}", dispatches(4));
}
