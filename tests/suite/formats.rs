//! Parameters, moments and values in 16 bits, against the twin.

use sparse_adam::reference::{self, Gradient, Table};
use sparse_adam::{
    AdamOptions, Clip, Duplicates, Format, IndexDtype, NonFinite, Param, Rounding, SecondMoment,
    SparseAdam, SparseGrad,
};
use sparse_adam_testkit::campaign::fresh_seed;
use sparse_adam_testkit::headless::Gpu;
use sparse_adam_testkit::{Pair, Poisoned, Rng, Stored, drawn_variants, gpus, rounded, variants};
use wgpu::Limits;

/// Values per row: every width, and rows that share words.
const DIMS: [usize; 7] = [1, 3, 6, 8, 33, 64, 300];

/// Whether a table that is stored so may have a rule.
pub(super) fn may_have(stored: Stored, options: &AdamOptions) -> bool {
    let by_value = !options.amsgrad && options.second_moment == SecondMoment::Element;
    stored.moments == Format::F32 || by_value
}

/// Any rule for a table that is stored so, which clips no entries.
pub(super) fn rule(rng: &mut Rng, stored: Stored) -> AdamOptions {
    rng.rule_that(AdamOptions::default().lr(0.01), |options| may_have(stored, options))
}

/// Any options for a table that is stored so.
fn options(rng: &mut Rng, stored: Stored) -> AdamOptions {
    let options = rule(rng, stored);
    if rng.below(4) == 0 { options.clip(Clip::Entries(0.4)) } else { options }
}

/// An adapter whose bindings are small.
pub(super) fn small() -> Gpu {
    let limits = Limits {
        max_storage_buffer_binding_size: 32 << 10,
        max_storage_buffers_per_shader_stage: 8,
        ..gpus()[0].device.limits()
    };
    pollster::block_on(Gpu::open_with_limits(limits)).unwrap()
}

#[test]
fn tables_of_any_formats_equal_their_twins() {
    let mut rng = Rng(fresh_seed());
    for on in drawn_variants(&mut rng) {
        // Four kinds of rows of seven: each takes kernels of its own, which take longest.
        let mut dims = DIMS;
        rng.shuffle(&mut dims);
        let tables: [_; 4] = std::array::from_fn(|table| {
            let dim = dims[table];
            let rows = 1 + rng.below(400);
            let stored = Stored::any(&mut rng);
            ((rows, dim), options(&mut rng, stored), stored)
        });
        let mut pair = Pair::stored(on, &tables, &mut rng);
        for _ in 0..3 {
            let grads = tables.map(|((rows, dim), ..)| {
                let nnz = [1, 60, 700][rng.below(3)];
                (rng.below(5) > 0).then(|| rng.gradient(rows, dim, nnz))
            });
            pair.step(&grads);
        }
        pair.assert_equal(&format!("{tables:?}"));
        pair.assert_inputs_whole("values in 16 bits");
    }
}

#[test]
fn tables_and_values_over_several_bindings_equal_their_twins() {
    let gpu = small();
    let mut rng = Rng(fresh_seed());
    for (_, tuning) in drawn_variants(&mut rng) {
        // Two of the three kinds of rows: each takes kernels of its own, which take longest.
        let mut dims = [12, 8, 5];
        rng.shuffle(&mut dims);
        for dim in dims[..2].iter().copied() {
            let stored = Stored::any(&mut rng);
            let options = options(&mut rng, stored);
            let tables = [((3000, dim), options, stored)];
            let mut pair = Pair::stored((&gpu, tuning), &tables, &mut rng);
            assert!(pair.optimizer.regions(pair.ids[0]).unwrap().len() > 1, "{stored:?}");
            for nnz in [700, 600, 20] {
                let mut grad = rng.gradient(3000, dim, nnz);
                let mut set = pair.narrow_grad(&grad, IndexDtype::I32, stored.values);
                if nnz == 700 {
                    // Each row once, and promised.
                    grad.indices = rng.permutation(3000)[..nnz].to_vec();
                    set = pair.narrow_grad(&grad, IndexDtype::I32, stored.values);
                    set = set.duplicates(Duplicates::None);
                }
                pair.step_as(0, set, &grad);
                pair.assert_equal(&format!("{dim}, {nnz}, {stored:?}, {options:?}"));
            }
        }
    }
}

#[test]
fn other_gradients_than_the_plain_one_may_be_narrow() {
    let mut rng = Rng(fresh_seed());
    for on in variants() {
        for (values, dim) in [(Format::F16, 3), (Format::Bf16, 8), (Format::F16, 6)] {
            let stored = Stored { values, ..Stored::any(&mut rng) };
            let (rows, plain) = (51, AdamOptions::default());
            let mut pair = Pair::stored(on, &[((rows, dim), plain, stored)], &mut rng);
            // Bags with weights.
            let (grad, map) = rng.bags(rows, dim, 40);
            let weights = rng.floats(map.len());
            let held = (pair.hold(&map), pair.hold(&weights));
            let set = pair.narrow_grad(&grad, IndexDtype::U32, values);
            let set = set.value_map(held.0, 40).weights(held.1);
            let bags = rounded(values, &grad.values);
            let bags = reference::gather_values(&bags, dim, &map, Some(&weights));
            pair.optimizer.set_grad(pair.ids[0], set).unwrap();
            reference::step(
                &mut pair.twins[0],
                &Gradient { indices: grad.indices, values: bags },
                &plain,
            );
            pair.submit_step();
            pair.assert_equal("bags");
            // Rows of a dense gradient, and several gradients, of which some end within a word.
            let (mask, dense) = (rng.permutation(rows)[..20].to_vec(), rng.floats(rows * dim));
            let indices: Vec<u32> = mask.iter().map(|&row| row as u32).collect();
            let held = (pair.hold(&indices), pair.hold(&values.pack(&dense)));
            let set = SparseGrad::of_rows(held.0, held.1, 20).format(values);
            let row = |&row: &i64| dense[row as usize * dim..][..dim].to_vec();
            let same = mask.iter().flat_map(row).collect();
            pair.step_as(0, set, &Gradient { indices: mask, values: same });
            pair.assert_equal("rows of a dense gradient");
            let mut all = Gradient::default();
            pair.optimizer.clear_grads();
            for nnz in [7, 1, 12] {
                let grad = rng.gradient(rows, dim, nnz);
                let set = pair.narrow_grad(&grad, IndexDtype::U32, values);
                pair.optimizer.accumulate_grad(pair.ids[0], set).unwrap();
                all.indices.extend(grad.indices);
                all.values.extend(grad.values);
            }
            pair.step_twin(0, &all);
            pair.submit_step();
            pair.assert_equal("several gradients");
        }
    }
}

#[test]
fn narrow_values_that_are_not_finite_are_seen() {
    for on in variants() {
        for (format, infinity) in [(Format::F16, 0x7c00u16), (Format::Bf16, 0xff80)] {
            for dim in [3, 8] {
                let stored = Stored { values: format, ..Stored::default() };
                let tables = [((9, dim), AdamOptions::default(), stored)];
                let mut pair = Pair::stored(on, &tables, &mut Rng(1));
                let mut grad = Rng(2).gradient(9, dim, 5);
                let mut words = format.pack(&grad.values);
                let at = 2 * dim + dim - 1;
                bytemuck::cast_slice_mut::<_, u16>(&mut words)[at] = infinity;
                let indices: Vec<u32> = grad.indices.iter().map(|&index| index as u32).collect();
                let held = (pair.hold(&indices), pair.hold(&words));
                let set = SparseGrad::new(held.0, held.1, 5).format(format);
                let set = set.non_finite(NonFinite::Skipped);
                grad.indices.remove(2);
                grad.values.drain(2 * dim..3 * dim);
                pair.step_as(0, set, &grad);
                pair.assert_equal("without the third entry");
                assert_eq!(pair.status(0).non_finite, 1);
            }
        }
    }
}

/// Puts other values into a pair's table.
fn fill(pair: &mut Pair<'_>, values: &[f32]) {
    let format = pair.stored[0].param;
    pair.params[0] = Poisoned::new(pair.gpu, &format.pack(values));
    let place = pair.params[0].region.clone();
    pair.optimizer.replace_param(pair.ids[0], place).unwrap();
    pair.twins[0].param = rounded(format, values);
}

#[test]
fn every_number_of_16_bits_is_read_and_written_as_it_is() {
    for on in variants() {
        for (param, dim) in [(Format::F16, 64), (Format::Bf16, 64), (Format::F16, 1)] {
            let stored = Stored { param, ..Stored::default() };
            let still = AdamOptions::default().lr(0.0);
            let rows = 65_536 / dim;
            let mut pair = Pair::stored(on, &[((rows, dim), still, stored)], &mut Rng(1));
            let every: Vec<u32> =
                (0..32_768).map(|low| (2 * low) | ((2 * low + 1) << 16)).collect();
            let mut values = param.unpack(&every, 65_536);
            // Devices may flush what is subnormal in f32.
            let usual = |value: &f32| !value.is_nan() && !value.is_subnormal();
            values.iter_mut().filter(|value| !usual(value)).for_each(|value| *value = 1.0);
            fill(&mut pair, &values);
            let indices = (0..rows as i64).collect();
            pair.step(&[Some(Gradient { indices, values: vec![1.0; 65_536] })]);
            pair.assert_equal("with no step");
            assert_eq!(pair.table(0).param, values);
        }
    }
}

#[test]
fn small_numbers_are_rounded_as_the_twin_rounds_them() {
    let mut rng = Rng(fresh_seed());
    for on in variants() {
        for (rounding, dim) in [(Rounding::Nearest, 8), (Rounding::Stochastic { seed: 9 }, 3)] {
            let stored = Stored { param: Format::F16, rounding, ..Stored::default() };
            for scale in [1e-4, 3e-6, 1e-7, 2e4] {
                let options = AdamOptions::default().lr(f64::from(scale));
                let mut pair = Pair::stored(on, &[((300, dim), options, stored)], &mut rng);
                let values: Vec<_> = rng.floats(300 * dim).iter().map(|x| x * scale).collect();
                fill(&mut pair, &values);
                for _ in 0..3 {
                    let grad = rng.gradient(300, dim, 500);
                    pair.step(&[Some(grad)]);
                }
                pair.assert_equal(&format!("{rounding:?} about {scale}"));
            }
        }
    }
}

/// A step of rows of a table of ones stored in bf16 with random bits. Returns the table's words and moments.
fn drawn(gpu: &Gpu, tuning: sparse_adam::Tuning, dim: u32, rows: &[u32]) -> (Vec<u32>, Vec<f32>) {
    const ROWS: u32 = 900;
    let mut optimizer: SparseAdam = gpu.optimizer(AdamOptions::default(), tuning).unwrap();
    let ones = vec![1.0; (ROWS * dim) as usize];
    let buffer = gpu.upload("table", &Format::Bf16.pack(&ones));
    let param = Param::new("table", &buffer, [ROWS, dim]);
    let param = param.format(Format::Bf16).moments(Format::Bf16);
    let param = param.rounding(Rounding::Stochastic { seed: 77 });
    let id = optimizer.add_param(param).unwrap();
    let value = |&row: &u32| (0..dim).map(move |column| 0.01 * (row * 3 + column) as f32);
    let values: Vec<f32> = rows.iter().flat_map(value).collect();
    let held = (gpu.upload("rows", rows), gpu.upload("values", &values));
    let grad = SparseGrad::new(&held.0, &held.1, rows.len() as u32);
    optimizer.set_grad(id, grad).unwrap();
    gpu.submit(|encoder| optimizer.step(encoder)).unwrap();
    let state = pollster::block_on(optimizer.state_of(id)).unwrap().unwrap();
    (pollster::block_on(gpu.read(&buffer)).unwrap(), state.exp_avg_sq)
}

#[test]
fn random_bits_of_a_row_depend_on_nothing_else_in_the_batch() {
    let all: Vec<u32> = (0..900).rev().step_by(2).collect();
    let windowed = small();
    for dim in [4, 8, 5] {
        let mut found = Vec::new();
        let on = variants().into_iter().chain(variants().into_iter().map(|on| (&windowed, on.1)));
        for (gpu, tuning) in on {
            for rows in [&all[..], &[851, 17][..]] {
                let (words, second) = drawn(gpu, tuning, dim, rows);
                let param = Format::Bf16.unpack(&words, 900 * dim as usize);
                let row =
                    |row: usize, of: &[f32]| of[row * dim as usize..][..dim as usize].to_vec();
                found.push([17, 851].map(|at| (row(at, &param), row(at, &second))));
            }
        }
        assert!(found.iter().all(|other| *other == found[0]), "{dim}: {found:?}");
        let both =
            |[(a, _), (b, _)]: &[(Vec<f32>, Vec<f32>); 2]| a.iter().chain(b).any(|x| *x != 1.0);
        assert!(both(&found[0]), "nothing was rounded away from 1");
    }
}

#[test]
fn parts_of_rows_that_end_within_a_word_leave_the_rest_of_it() {
    for (gpu, tuning) in variants() {
        let mut optimizer = gpu.optimizer(AdamOptions::default(), tuning).unwrap();
        let mut rng = Rng(5);
        let (parts, dim) = ([3usize, 7, 2], 3usize);
        let values = parts.map(|rows| rounded(Format::F16, &rng.floats(rows * dim)));
        let held = values.each_ref().map(|values| {
            let mut words = Format::F16.pack(values);
            if values.len() % 2 == 1 {
                words[values.len() / 2] |= 0xbeef_0000;
            }
            Poisoned::new(gpu, &words)
        });
        let regions = held.iter().zip(parts).map(|(held, rows)| (held.region.clone(), rows as u32));
        let param = Param::in_parts("table", regions, [12, 3]).format(Format::F16);
        let id = optimizer.add_param(param).unwrap();
        let mut twin = Table::new(values.concat(), dim);
        twin = twin.stored(Format::F16, Format::F32, Rounding::Nearest);
        let grad = rng.gradient(12, dim, 40);
        let indices: Vec<u32> = grad.indices.iter().map(|&index| index as u32).collect();
        let set = (gpu.upload("indices", &indices), gpu.upload("values", &grad.values));
        optimizer.set_grad(id, SparseGrad::new(&set.0, &set.1, 40)).unwrap();
        gpu.submit(|encoder| optimizer.step(encoder)).unwrap();
        reference::step(&mut twin, &grad, &AdamOptions::default());
        let mut found = Vec::new();
        for (held, rows) in held.iter().zip(parts) {
            let words: Vec<u32> = held.read(gpu);
            if rows * dim % 2 == 1 {
                assert_eq!(words[rows * dim / 2] >> 16, 0xbeef);
            }
            found.extend(Format::F16.unpack(&words, rows * dim));
        }
        sparse_adam_testkit::assert_tensor((gpu, tuning), "parts", &found, &twin.param);
    }
}
