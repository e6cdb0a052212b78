//! Tables whose rows move: grown, pruned, sorted, cloned, in other places, against the twin.

mod anew;
mod campaign;
mod errors;

use super::formats::rule;
use sparse_adam::reference::Gradient;
use sparse_adam::{AdamOptions, Param, ParamRows, RowMap, SparseGrad, Status, Tuning};
use sparse_adam_testkit::campaign::fresh_seed;
use sparse_adam_testkit::headless::Gpu;
use sparse_adam_testkit::{Pair, Poisoned, Rng, Stored, drawn_variants, variants};

/// Values per row: every width, and rows that share words.
const DIMS: [usize; 6] = [1, 3, 8, 12, 33, 64];

/// A map to `rows` rows of a table of `old`: some from anywhere, many as they were, some from none or from what is no row.
pub(super) fn map(rng: &mut Rng, old: usize, rows: usize) -> Vec<u32> {
    let row = |(row, rng): (usize, &mut Rng)| match rng.below(8) {
        0 => RowMap::NONE,
        1 => old as u32 + [0, 1, rng.below(1 << 30)][rng.below(3)] as u32,
        2 | 3 => rng.below(old) as u32,
        _ => row.min(old - 1) as u32,
    };
    (0..rows).map(|at| row((at, &mut *rng))).collect()
}

/// One map for some tables, recorded by itself.
pub(super) fn remap(pair: &mut Pair<'_>, tables: &[usize], from: &[u32], rng: &mut Rng) {
    let gpu = pair.gpu;
    gpu.submit(|encoder| pair.try_remap(encoder, tables, (from, ParamRows::Copied), rng)).unwrap();
}

fn step_all(pair: &mut Pair<'_>, rng: &mut Rng) {
    let shapes: Vec<_> = pair.twins.iter().map(|twin| (twin.rows(), twin.dim)).collect();
    let grads: Vec<_> = shapes
        .into_iter()
        .map(|(rows, dim)| {
            let nnz = 1 + rng.below(200);
            Some(rng.gradient(rows, dim, nnz))
        })
        .collect();
    pair.step(&grads);
    pair.optimizer.clear_grads();
}

#[test]
fn remapped_tables_of_any_format_and_rule_equal_their_twins() {
    let mut rng = Rng(fresh_seed());
    for on in drawn_variants(&mut rng) {
        let tables = [0, 1, 2].map(|_| {
            let (dim, stored) = (DIMS[rng.below(DIMS.len())], Stored::any(&mut rng));
            ((1 + rng.below(300), dim), rule(&mut rng, stored), stored)
        });
        let mut pair = Pair::stored(on, &tables, &mut rng);
        for turn in 0..4 {
            step_all(&mut pair, &mut rng);
            let gpu = pair.gpu;
            for table in 0..tables.len() {
                let old = pair.twins[table].rows();
                let rows = [1 + rng.below(400), old, 2 * old][rng.below(3)];
                let from = map(&mut rng, old, rows);
                let param_rows = [ParamRows::Copied, ParamRows::Left][rng.below(2)];
                let before = pair.status(table).bad_map_row;
                let remapped = |encoder: &mut _| {
                    pair.try_remap(encoder, &[table], (&from, param_rows), &mut rng)
                };
                let counted: Vec<Status> = gpu.submit(remapped).unwrap();
                assert_eq!(pair.status(table).bad_map_row - before, counted[0].bad_map_row);
            }
            pair.assert_equal(&format!("turn {turn}, {tables:?}"));
        }
        pair.assert_inputs_whole("maps of rows");
    }
}

#[test]
fn several_tables_are_remapped_by_one_map_between_the_steps_of_one_encoder() {
    let mut rng = Rng(fresh_seed());
    for on in variants() {
        let shapes = [(90, 3), (90, 8), (90, 1), (90, 12)];
        let options = shapes.map(|_| AdamOptions::default().lr(0.01));
        let mut pair = Pair::new(on, &shapes, &options, &mut rng);
        let mut encoder = on.0.device.create_command_encoder(&Default::default());
        for rows in [120, 40, 77] {
            let old = pair.twins[0].rows();
            for (table, &(_, dim)) in shapes.iter().enumerate() {
                let grad = rng.gradient(old, dim, 60);
                pair.set_grad(table, &grad);
                pair.step_twin(table, &grad);
            }
            pair.optimizer.step(&mut encoder).unwrap();
            pair.optimizer.clear_grads();
            let from = map(&mut rng, old, rows);
            let all = [0, 1, 2, 3];
            pair.try_remap(&mut encoder, &all, (&from, ParamRows::Copied), &mut rng).unwrap();
        }
        on.0.queue.submit([encoder.finish()]);
        step_all(&mut pair, &mut rng);
        pair.assert_equal(&format!("{:?}", on.1.form));
    }
}

#[test]
fn the_identity_and_a_permutation_there_and_back_change_no_bit() {
    let mut rng = Rng(fresh_seed());
    for on in drawn_variants(&mut rng) {
        let tables = DIMS.map(|dim| {
            let stored = Stored::any(&mut rng);
            ((200, dim), rule(&mut rng, stored), stored)
        });
        let mut pair = Pair::stored(on, &tables, &mut rng);
        let all: Vec<usize> = (0..tables.len()).collect();
        for &id in &pair.ids {
            // Makes a state without a step, whose kernels would take a minute to build.
            pair.optimizer.set_step_count(id, 3).unwrap();
        }
        write_odd_bits(&mut pair, &mut rng);
        let before = bits(&mut pair);
        let order: Vec<u32> = rng.permutation(200).iter().map(|&row| row as u32).collect();
        let mut back = vec![0; 200];
        order.iter().enumerate().for_each(|(row, &from)| back[from as usize] = row as u32);
        let identity: Vec<u32> = (0..200).collect();
        for from in [&identity, &order, &back] {
            remap(&mut pair, &all, from, &mut rng);
        }
        assert_eq!(bits(&mut pair), before);
        for table in all {
            assert_eq!(pair.status(table), Status::default());
        }
    }
}

/// Any bits into the state of tables: of NaN, and of numbers that a device flushes.
fn write_odd_bits(pair: &mut Pair<'_>, rng: &mut Rng) {
    for table in 0..pair.ids.len() {
        for window in pair.optimizer.moments(pair.ids[table]).unwrap() {
            let words = window.region.size() / 4;
            let odd = [0x7f80_0001, 0xffc1_2345, 1, 0x8000_0003, 0x7fc0_dead];
            let words: Vec<u32> = (0..words).map(|_| odd[rng.below(5)]).collect();
            let queue = &pair.gpu.queue;
            queue.write_buffer(window.region.buffer(), 0, bytemuck::cast_slice(&words));
        }
    }
}

/// All words of the parameters and their states.
fn bits(pair: &mut Pair<'_>) -> Vec<Vec<u32>> {
    let gpu = pair.gpu;
    let mut found = Vec::new();
    for table in 0..pair.ids.len() {
        found.push(pair.params[table].read::<u32>(gpu));
        let moments = pair.optimizer.moments(pair.ids[table]).unwrap();
        let rows = pair.optimizer.row_state(pair.ids[table]).unwrap();
        for window in moments.into_iter().chain(rows) {
            found.push(pollster::block_on(gpu.read(window.region.buffer())).unwrap());
        }
    }
    // What lies behind the last row of 16 bits is nobody's, and drawn anew for each place.
    for (table, twin) in pair.twins.iter().enumerate() {
        let shared = pair.stored[table].param != sparse_adam::Format::F32;
        assert!(!shared || twin.rows() % 2 == 0);
    }
    found
}

#[test]
fn a_clone_steps_as_its_original_would_and_a_row_that_comes_back_starts_afresh() {
    let mut rng = Rng(fresh_seed());
    for on in variants() {
        let mut pair = Pair::single(on, 30, 8, &mut rng);
        for _ in 0..3 {
            step_all(&mut pair, &mut rng);
        }
        // Row 7 three times; row 9 pruned, and a row in its place.
        let mut from: Vec<u32> = (0..30).collect();
        (from[9], from[10], from[11]) = (RowMap::NONE, 7, 7);
        remap(&mut pair, &[0], &from, &mut rng);
        for _ in 0..2 {
            let row = rng.floats(8);
            let grad = Gradient { indices: vec![7, 10, 11], values: row.repeat(3) };
            pair.step_table(0, &grad);
            pair.optimizer.clear_grads();
        }
        let table = pair.table(0);
        let row = |values: &[f32], row: usize| values[8 * row..][..8].to_vec();
        for clone in [10, 11] {
            assert_eq!(row(&table.param, clone), row(&table.param, 7));
            assert_eq!(row(&table.exp_avg, clone), row(&table.exp_avg, 7));
            assert_eq!(row(&table.exp_avg_sq, clone), row(&table.exp_avg_sq, 7));
        }
        assert_eq!(row(&table.exp_avg, 9), [0.0; 8]);
        assert_eq!(row(&table.exp_avg_sq, 9), [0.0; 8]);
        pair.assert_equal(&format!("{:?}", on.1.form));
    }
}

#[test]
fn rows_move_over_the_borders_of_windows_and_parts() {
    let gpu = super::formats::small();
    let mut rng = Rng(fresh_seed());
    for (_, tuning) in drawn_variants(&mut rng) {
        for dim in [12, 5] {
            let stored = Stored::any(&mut rng);
            let tables = [((2500, dim), rule(&mut rng, stored), stored)];
            let mut pair = Pair::stored((&gpu, tuning), &tables, &mut rng);
            for rows in [4100, 1900, 2600] {
                step_all(&mut pair, &mut rng);
                let old = pair.twins[0].rows();
                assert!(pair.optimizer.regions(pair.ids[0]).unwrap().len() > 1);
                let mut from = map(&mut rng, old, rows);
                rng.shuffle(&mut from);
                remap(&mut pair, &[0], &from, &mut rng);
            }
            step_all(&mut pair, &mut rng);
            pair.assert_equal(&format!("{tables:?}, {tuning:?}"));
        }
    }
}

/// A table in two regions becomes one in three, and one in one.
#[test]
fn parts_become_other_parts() {
    let mut rng = Rng(fresh_seed());
    for (gpu, tuning) in variants() {
        parts((gpu, tuning), &mut rng);
    }
}

fn parts((gpu, tuning): (&Gpu, Tuning), rng: &mut Rng) {
    let mut optimizer = gpu.optimizer(AdamOptions::default(), tuning).unwrap();
    let part = |rows: usize, rng: &mut Rng| Poisoned::new(gpu, &rng.floats(5 * rows));
    let parts = [part(20, rng), part(11, rng)];
    let regions = [(parts[0].region.clone(), 20), (parts[1].region.clone(), 11)];
    let id = optimizer.add_param(Param::in_parts("p", regions, [31, 5])).unwrap();
    let grad = rng.gradient(31, 5, 60);
    let indices: Vec<u32> = grad.indices.iter().map(|&row| row as u32).collect();
    let (indices, values) = (Poisoned::new(gpu, &indices), Poisoned::new(gpu, &grad.values));
    optimizer.set_grad(id, SparseGrad::new(&indices.region, &values.region, 60)).unwrap();
    gpu.submit(|encoder| optimizer.step(encoder)).unwrap();
    optimizer.clear_grads();
    let read = |parts: &[Poisoned]| -> Vec<f32> {
        parts.iter().flat_map(|part| part.read::<f32>(gpu)).collect()
    };
    let mut before = read(&parts);
    let mut state = pollster::block_on(optimizer.state_of(id)).unwrap().unwrap();
    for sizes in [&[7, 30, 4][..], &[50]] {
        let rows: usize = sizes.iter().sum();
        let old = before.len() / 5;
        let from: Vec<u32> = (0..rows).map(|_| rng.below(old) as u32).collect();
        let parts: Vec<Poisoned> = sizes.iter().map(|&rows| part(rows, rng)).collect();
        let held = Poisoned::new(gpu, &from);
        let place = sparse_adam::ParamPlace::in_parts(
            parts.iter().zip(sizes).map(|(part, &rows)| (part.region.clone(), rows as u32)),
        );
        let map = RowMap::new(&held.region, rows as u32);
        gpu.submit(|encoder| optimizer.remap_rows(encoder, map, [(id, place)])).unwrap();
        let moved = |values: &[f32]| -> Vec<f32> {
            from.iter().flat_map(|&row| values[5 * row as usize..][..5].to_vec()).collect()
        };
        assert_eq!(read(&parts), moved(&before));
        let now = pollster::block_on(optimizer.state_of(id)).unwrap().unwrap();
        assert_eq!(now.exp_avg, moved(&state.exp_avg));
        assert_eq!(now.exp_avg_sq, moved(&state.exp_avg_sq));
        assert_eq!((&*now.shape, now.step), (&[rows as u32, 5][..], 1));
        (before, state) = (read(&parts), now);
    }
}
