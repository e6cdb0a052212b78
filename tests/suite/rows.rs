//! What rows have of their own: counts, second moments, steps that are made up for.

use super::formats::may_have;
use super::rules_in_use::drawn;
use sparse_adam::reference::{self, Gradient};
use sparse_adam::{
    AdamOptions, BiasCorrection, CatchUp, Error, ParamState, Reduction, SecondMoment, StateDict,
    Tuning, WeightDecay,
};
use sparse_adam_testkit::campaign::fresh_seed;
use sparse_adam_testkit::headless::Gpu;
use sparse_adam_testkit::{Pair, Rng, Stored, drawn_variants, gpus, variants};
use wgpu::Limits;

fn has_rows(options: &AdamOptions) -> bool {
    options.bias_correction == BiasCorrection::Row
        || options.second_moment == SecondMoment::Row
        || options.catch_up != CatchUp::Never
}

/// Brings rows up to date, on both sides.
pub(super) fn flush(pair: &mut Pair<'_>) {
    pair.gpu.submit(|encoder| pair.optimizer.flush(encoder)).unwrap();
    for (twin, options) in pair.twins.iter_mut().zip(&pair.options) {
        reference::flush(twin, options);
    }
}

#[test]
fn rows_go_on_from_their_state_in_a_file_as_without_it() {
    let mut rng = Rng(fresh_seed());
    let shapes = [(200, 12), (90, 3)];
    for on in drawn_variants(&mut rng) {
        let options = shapes.map(|_| drawn(&mut rng, has_rows));
        let mut pair = Pair::new(on, &shapes, &options, &mut rng);
        for turn in 0..4 {
            for (table, &(rows, dim)) in shapes.iter().enumerate() {
                let grad = rng.gradient(rows, dim, [40, 300][turn % 2]);
                pair.step_table(table, &grad);
            }
            if turn == 1 {
                let dict = pollster::block_on(pair.optimizer.state_dict()).unwrap();
                let text = serde_json::to_string(&dict).unwrap();
                assert_eq!(serde_json::from_str::<StateDict>(&text).unwrap(), dict);
                let file = dict.to_safetensors().unwrap();
                let read = StateDict::from_safetensors(&file).unwrap();
                assert_eq!(read, dict);
                pair.try_restart(on.1, &read).unwrap();
            }
        }
        pair.assert_equal(&format!("{options:?}"));
    }
}

/// An adapter of small bindings.
fn small() -> Gpu {
    let limits = Limits {
        max_storage_buffer_binding_size: 64 << 10,
        max_storage_buffers_per_shader_stage: 8,
        ..gpus()[0].device.limits()
    };
    pollster::block_on(Gpu::open_with_limits(limits)).unwrap()
}

#[test]
fn rows_over_several_bindings_step_and_catch_up_in_one_encoder() {
    let gpu = small();
    let mut rng = Rng(fresh_seed());
    let shapes = [(3000, 12), (1200, 33), (900, 40)];
    for (_, tuning) in drawn_variants(&mut rng) {
        let behind = |options: &AdamOptions| options.catch_up != CatchUp::Never;
        let kinds: [&dyn Fn(&AdamOptions) -> bool; 3] = [&behind, &has_rows, &behind];
        // The last as f32 are, which the others need not be.
        let stored = [Stored::any(&mut rng), Stored::any(&mut rng), Stored::default()];
        let tables = [0, 1, 2].map(|at| {
            let is = |options: &AdamOptions| kinds[at](options) && may_have(stored[at], options);
            (shapes[at], drawn(&mut rng, is), stored[at])
        });
        let mut pair = Pair::stored((&gpu, tuning), &tables, &mut rng);
        for table in 0..shapes.len() {
            assert!(pair.optimizer.regions(pair.ids[table]).unwrap().len() > 1);
        }
        for _ in 0..2 {
            let mut encoder = gpu.device.create_command_encoder(&Default::default());
            for turn in 0..3 {
                for (table, &(rows, dim)) in shapes.iter().enumerate() {
                    let grad = rng.gradient(rows, dim, [300, 40, 130][(table + turn) % 3]);
                    pair.set_grad(table, &grad);
                    pair.step_twin(table, &grad);
                }
                pair.optimizer.step(&mut encoder).unwrap();
                if turn == 1 {
                    pair.optimizer.flush(&mut encoder).unwrap();
                    for (twin, options) in pair.twins.iter_mut().zip(&pair.options) {
                        reference::flush(twin, options);
                    }
                }
            }
            gpu.queue.submit([encoder.finish()]);
        }
        pair.assert_equal(&format!("{tables:?}"));
    }
}

#[test]
fn rows_go_on_from_the_state_of_a_device_with_other_windows() {
    let gpu = small();
    let mut rng = Rng(fresh_seed());
    let shapes = [(3000, 12), (1200, 33)];
    for (other, tuning) in drawn_variants(&mut rng) {
        let options = shapes.map(|_| drawn(&mut rng, has_rows));
        let mut from = Pair::new((&gpu, Tuning::CPU), &shapes, &options, &mut rng);
        let mut to = Pair::new((other, tuning), &shapes, &options, &mut rng);
        for (table, &(rows, dim)) in shapes.iter().enumerate() {
            from.step_table(table, &rng.gradient(rows, dim, 900));
        }
        let dict = pollster::block_on(from.optimizer.state_dict()).unwrap();
        to.optimizer.load_state_dict(&dict).unwrap();
        assert_eq!(pollster::block_on(to.optimizer.state_dict()).unwrap(), dict);
        for (table, &(rows, dim)) in shapes.iter().enumerate() {
            let param = std::mem::take(&mut to.twins[table].param);
            to.twins[table] = from.twins[table].clone();
            to.twins[table].param = param;
            to.step_table(table, &rng.gradient(rows, dim, 500));
        }
        flush(&mut to);
        to.assert_equal(&format!("{options:?}"));
    }
}

#[test]
fn means_are_of_all_entries_of_a_run_however_long() {
    let mut rng = Rng(fresh_seed());
    let options = AdamOptions::default().lr(0.01).duplicates(Reduction::Mean);
    for on in variants() {
        for dim in [3, 8] {
            let mut pair = Pair::new(on, &[(6, dim)], &[options], &mut rng);
            let mut indices = Vec::new();
            for (row, entries) in [1, 2, 63, 64, 65, 4097].into_iter().enumerate() {
                indices.extend(std::iter::repeat_n(row as i64, entries));
            }
            let values = rng.floats(indices.len() * dim);
            pair.step_table(0, &Gradient { indices, values });
            // Few enough that the chunks of a run are summed where the row is updated.
            let indices: Vec<_> = (0..900).map(|entry| i64::from(entry < 500)).collect();
            let values = rng.floats(indices.len() * dim);
            pair.step_table(0, &Gradient { indices, values });
            pair.assert_equal("means");
        }
    }
}

/// A state of `rows` rows of `dim` values, whose rows count.
fn counted(rng: &mut Rng, rows: usize, dim: usize, counts: &[u32]) -> ParamState {
    let second = rng.floats(rows * dim).iter().map(|value| value.abs()).collect();
    let state = ParamState::new(3, vec![rows as u32, dim as u32], rng.floats(rows * dim), second);
    state.row_counter(counts.to_vec())
}

#[test]
fn counts_of_rows_go_on_to_the_end_of_their_range() {
    let mut rng = Rng(fresh_seed());
    let counts = [0, 1, 1000, (1 << 24) - 2, (1 << 24) - 1, 1 << 24, u32::MAX - 1, u32::MAX];
    for on in variants() {
        let options = AdamOptions::dgl().lr(0.01).betas((0.9, 0.999_999));
        let mut pair = Pair::new(on, &[(8, 5)], &[options], &mut rng);
        let state = counted(&mut rng, 8, 5, &counts);
        let mut dict = pollster::block_on(pair.optimizer.state_dict()).unwrap();
        dict.state.insert(0, state.clone());
        pair.optimizer.load_state_dict(&dict).unwrap();
        let twin = &mut pair.twins[0];
        (twin.step, twin.exp_avg, twin.exp_avg_sq) = (3, state.exp_avg, state.exp_avg_sq);
        twin.row_counter = counts.to_vec();
        for _ in 0..2 {
            let grad = Gradient { indices: (0..8).collect(), values: rng.floats(40) };
            pair.step_table(0, &grad);
        }
        pair.assert_equal("counts");
        assert_eq!(pair.table(0).row_counter[6..], [u32::MAX, u32::MAX]);
    }
}

#[test]
fn rows_that_decay_later_have_decayed_as_much() {
    let mut rng = Rng(fresh_seed());
    let (rows, dim) = (30, 4);
    let options = AdamOptions::torch_adamw().lr(0.01).weight_decay(WeightDecay::Decoupled(0.5));
    for on in variants() {
        let late = options.catch_up(CatchUp::Decay);
        let mut pair = Pair::new(on, &[(rows, dim)], &[late], &mut rng);
        let mut eager: Vec<f64> = pair.twins[0].param.iter().map(|&value| value.into()).collect();
        let mut named = vec![false; rows];
        // Without a gradient's values only decay moves a row.
        for _ in 0..20 {
            let indices: Vec<i64> = (0..5).map(|_| rng.below(rows - 3) as i64).collect();
            indices.iter().for_each(|&row| named[row as usize] = true);
            for (at, value) in eager.iter_mut().enumerate() {
                *value *= if named[at / dim] { 1.0 - 0.01 * 0.5 } else { 1.0 };
            }
            pair.step_table(0, &Gradient { indices, values: vec![0.0; 5 * dim] });
        }
        pair.assert_equal("late");
        flush(&mut pair);
        flush(&mut pair);
        pair.assert_equal("flushed");
        for (found, expected) in pair.table(0).param.iter().zip(&eager) {
            assert!((f64::from(*found) - expected).abs() < 1e-5, "{found} for {expected}");
        }
        assert!(pair.table(0).prev_iter[rows - 3..].iter().all(|&last| last == 0));
    }
}

#[test]
fn rows_that_are_owed_steps_take_them_once() {
    let mut rng = Rng(fresh_seed());
    let options = AdamOptions::hugectr_lazy_global().lr(0.05);
    for on in variants() {
        let mut pair = Pair::new(on, &[(40, 9), (7, 16)], &[options; 2], &mut rng);
        let before = pair.table(0).param;
        let grad = Gradient { indices: vec![3], values: vec![1.0; 9] };
        pair.step_table(0, &grad);
        assert_eq!(pair.table(0).param, before, "its step comes later");
        flush(&mut pair);
        pair.assert_equal("flushed");
        let moved = pair.table(0).param;
        // As torch's first step: the learning rate.
        for column in 0..9 {
            let by = before[3 * 9 + column] - moved[3 * 9 + column];
            assert!((by - 0.05).abs() < 1e-5, "{by}");
        }
        flush(&mut pair);
        assert_eq!(pair.table(0).param, moved);
        pair.step_table(0, &grad);
        assert_eq!(pair.table(0).param, moved);
        pair.assert_equal("on");
    }
}

#[test]
fn what_rows_have_lies_as_told() {
    let mut rng = Rng(fresh_seed());
    let options = AdamOptions::torch_adamw()
        .bias_correction(BiasCorrection::Row)
        .second_moment(SecondMoment::Row)
        .catch_up(CatchUp::Decay)
        .amsgrad(true);
    let mut pair = Pair::new(variants()[0], &[(4, 6), (4, 6)], &[options; 2], &mut rng);
    pair.options[1] = AdamOptions::default();
    pair.step_table(0, &Gradient { indices: vec![1, 2, 1], values: rng.floats(18) });
    pair.step_table(0, &Gradient { indices: vec![1], values: rng.floats(6) });
    let [window] = &pair.optimizer.row_state(pair.ids[0]).unwrap()[..] else { panic!() };
    let buffer = window.region.buffer();
    let words: Vec<u32> = pollster::block_on(pair.gpu.read(buffer)).unwrap();
    let twin = &pair.twins[0];
    for (row, words) in words.chunks(4).enumerate() {
        let bits = [&twin.exp_avg_sq, &twin.max_exp_avg_sq].map(|field| field[row].to_bits());
        assert_eq!(words[..2], bits);
        assert_eq!(words[2..], [twin.row_counter[row], twin.prev_iter[row]]);
    }
    assert_eq!(twin.row_counter, [0, 2, 1, 0]);
    assert_eq!(twin.prev_iter, [0, 2, 1, 0]);
}

#[test]
fn rules_without_rows_have_none() {
    let mut rng = Rng(fresh_seed());
    let mut pair = Pair::new(variants()[0], &[(4, 6)], &[AdamOptions::dgl().lr(0.1)], &mut rng);
    let id = pair.ids[0];
    assert_eq!(pair.optimizer.row_state(id).unwrap().len(), 1);
    let mut plain = Pair::new(variants()[0], &[(4, 6)], &[AdamOptions::default()], &mut rng);
    let id = plain.ids[0];
    assert!(plain.optimizer.row_state(id).unwrap().is_empty());
}

#[test]
fn contradictions_are_refused_by_name() {
    let momentum = AdamOptions::default().catch_up(CatchUp::Momentum);
    let decay = AdamOptions::default().catch_up(CatchUp::Decay);
    let wrong = [
        ("amsgrad", momentum.amsgrad(true)),
        ("bias_correction", momentum.bias_correction(BiasCorrection::Row)),
        ("bias_correction", momentum.bias_correction(BiasCorrection::None)),
        ("weight_decay", momentum.weight_decay(WeightDecay::Plain(0.1))),
        ("weight_decay", momentum.weight_decay(WeightDecay::L2(0.1))),
        ("second_moment", momentum.second_moment(SecondMoment::Row)),
        ("weight_decay", decay),
        ("weight_decay", decay.weight_decay(WeightDecay::L2(0.1))),
    ];
    for (with, options) in wrong {
        let error = options.validate().unwrap_err();
        assert!(matches!(error, Error::Conflict { .. }), "{options:?}: {error}");
        assert!(error.to_string().contains(with), "{options:?}: {error}");
        assert!(error.to_string().contains("catch_up"), "{options:?}: {error}");
    }
}

#[test]
fn what_a_state_is_of_stays_and_is_told() {
    let mut rng = Rng(fresh_seed());
    let plain = AdamOptions::default();
    let row = plain.bias_correction(BiasCorrection::Row);
    let others = [
        ("bias_correction", row, plain),
        ("second_moment", row, row.second_moment(SecondMoment::Row)),
        ("catch_up", plain, plain.catch_up(CatchUp::Momentum)),
    ];
    for (option, held, other) in others {
        let mut pair = Pair::new(variants()[0], &[(4, 6)], &[held], &mut rng);
        let group = pair.optimizer.groups().next().unwrap();
        let error = pair.optimizer.set_options(group, other).unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }), "{error}");
        pair.step_table(0, &rng.gradient(4, 6, 5));
        let dict = pollster::block_on(pair.optimizer.state_dict()).unwrap();
        let mut pair = Pair::new(variants()[0], &[(4, 6)], &[other], &mut rng);
        let error = pair.optimizer.load_state_dict(&dict).unwrap_err();
        assert!(error.to_string().contains(option), "{error}");
    }
    // Of the same rule, but without what its rows count.
    let mut pair = Pair::new(variants()[0], &[(4, 6)], &[row], &mut rng);
    pair.step_table(0, &rng.gradient(4, 6, 5));
    let mut dict = pollster::block_on(pair.optimizer.state_dict()).unwrap();
    dict.state.get_mut(&0).unwrap().rows = None;
    let error = pair.optimizer.load_state_dict(&dict).unwrap_err().to_string();
    assert!(error.contains("row_counter"), "{error}");
}

#[test]
fn rows_ahead_of_a_count_that_was_set_back_have_missed_nothing() {
    let mut rng = Rng(fresh_seed());
    let decay = AdamOptions::torch_adamw().lr(0.1).catch_up(CatchUp::Decay);
    for options in [AdamOptions::hugectr_lazy_global().lr(0.1), decay] {
        for on in variants() {
            let mut pair = Pair::new(on, &[(9, 5)], &[options], &mut rng);
            for _ in 0..6 {
                pair.step_table(0, &rng.gradient(9, 5, 20));
            }
            pair.optimizer.set_step_count(pair.ids[0], 2).unwrap();
            pair.twins[0].step = 2;
            flush(&mut pair);
            pair.step_table(0, &rng.gradient(9, 5, 20));
            pair.assert_equal("set back");
            assert!(pair.table(0).param.iter().all(|value| *value != 0.0 && value.abs() < 10.0));
        }
    }
}

#[test]
fn steps_past_what_rows_remember_are_refused() {
    let mut rng = Rng(fresh_seed());
    let options = AdamOptions::hugectr_lazy_global();
    let mut pair = Pair::new(variants()[0], &[(4, 6)], &[options], &mut rng);
    let (id, most) = (pair.ids[0], u64::from(u32::MAX) - 2);
    let error = pair.optimizer.set_step_count(id, most + 1).unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    pair.optimizer.set_step_count(id, most - 1).unwrap();
    pair.twins[0].step = most - 1;
    let grad = rng.gradient(4, 6, 9);
    pair.step_table(0, &grad);
    flush(&mut pair);
    pair.assert_equal("the last step");
    pair.set_grad(0, &grad);
    let mut encoder = pair.gpu.device.create_command_encoder(&Default::default());
    let error = pair.optimizer.step(&mut encoder).unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
}
