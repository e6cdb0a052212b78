//! Rows that are behind, of numbers in 16 bits: what a step or a flush makes up for is rounded once, by bits that depend on
//! nothing else.
//!
//! Other seeds each run; `SPARSE_ADAM_SEED` repeats one.

use super::formats::{may_have, small};
use super::not_finite::assert_same_or_nan;
use super::rows::flush;
use sparse_adam::reference::{self, Gradient, Table};
use sparse_adam::{AdamOptions, CatchUp, Format, IndexDtype, Rounding, Tuning, WeightDecay};
use sparse_adam_testkit::campaign::fresh_seed;
use sparse_adam_testkit::headless::Gpu;
use sparse_adam_testkit::{Pair, Poisoned, Rng, Stored, drawn_variants, rounded, variants};

/// What of a table is in 16 bits: the parameter, both moments, or all of it.
fn narrow(rng: &mut Rng) -> Stored {
    loop {
        let stored = Stored::any(rng);
        if stored.param != Format::F32 || stored.moments != Format::F32 {
            return stored;
        }
    }
}

/// A rule whose rows may be behind, for a table that is stored so.
fn late(rng: &mut Rng, stored: Stored) -> AdamOptions {
    let is =
        |options: &AdamOptions| options.catch_up != CatchUp::Never && may_have(stored, options);
    rng.rule_that(AdamOptions::default().lr(0.01), is)
}

/// All bits of a table.
fn bits(table: &Table<f32>) -> (Vec<u32>, Vec<u32>) {
    let fields = [&table.param, &table.exp_avg, &table.exp_avg_sq];
    let words = fields.into_iter().flatten().map(|value| value.to_bits());
    (words.collect(), table.prev_iter.clone())
}

/// Flushes once more, the adapter alone, which must change nothing.
fn assert_flushed(pair: &mut Pair<'_>, what: &str) {
    let all = |pair: &Pair<'_>| (0..pair.ids.len()).map(|at| bits(&pair.table(at))).collect();
    let before: Vec<_> = all(pair);
    pair.gpu.submit(|encoder| pair.optimizer.flush(encoder)).unwrap();
    let after: Vec<_> = all(pair);
    assert!(after == before, "{what}: a second flush changed something");
}

#[test]
fn tables_equal_their_twins_and_a_second_flush_changes_nothing() {
    let mut rng = Rng(fresh_seed());
    for on in drawn_variants(&mut rng) {
        let tables = [1, 3, 8, 34].map(|dim| {
            let stored = narrow(&mut rng);
            ((1 + rng.below(90), dim), late(&mut rng, stored), stored)
        });
        let mut pair = Pair::stored(on, &tables, &mut rng);
        for turn in 0..6 {
            let grads = tables.map(|((rows, dim), ..)| {
                let nnz = [1, 12, 200][rng.below(3)];
                (rng.below(5) > 0).then(|| rng.gradient(rows, dim, nnz))
            });
            pair.step(&grads);
            if turn % 3 == 1 {
                flush(&mut pair);
                assert_flushed(&mut pair, &format!("{tables:?}"));
            }
        }
        pair.assert_equal(&format!("{tables:?}"));
        pair.assert_inputs_whole("rows that are behind");
    }
}

/// Rows 17 and 851 after two steps, of which the first names `rows`, the second none, and a flush.
fn flushed(on: (&Gpu, Tuning), dim: usize, rows: &[i64]) -> [Vec<f32>; 2] {
    let rounding = Rounding::Stochastic { seed: 77 };
    let (param, moments) = (Format::Bf16, Format::Bf16);
    let stored = Stored { param, moments, rounding, values: Format::F32 };
    let options = AdamOptions::hugectr_lazy_global().lr(0.01);
    let mut pair = Pair::stored(on, &[((900, dim), options, stored)], &mut Rng(1));
    let value = |&row: &i64| (0..dim).map(move |column| 0.01 * (row * 3 + column as i64) as f32);
    let values = rows.iter().flat_map(value).collect();
    pair.step_table(0, &Gradient { indices: rows.to_vec(), values });
    pair.step_table(0, &Gradient::default());
    flush(&mut pair);
    let table = pair.table(0);
    let fields = [&table.param, &table.exp_avg, &table.exp_avg_sq];
    [17, 851]
        .map(|row| fields.iter().flat_map(|field| &field[row * dim..][..dim]).copied().collect())
}

#[test]
fn what_a_flush_makes_of_a_row_depends_on_nothing_else() {
    let all: Vec<i64> = (0..900).rev().step_by(2).collect();
    let windowed = small();
    let dim = [8, 25][Rng(fresh_seed()).below(2)];
    let mut found = Vec::new();
    let windows = variants().into_iter().take(1).map(|on| (&windowed, on.1));
    for on in variants().into_iter().chain(windows) {
        found.extend([&all[..], &[851, 17][..]].map(|rows| flushed(on, dim, rows)));
    }
    assert!(found.iter().all(|other| *other == found[0]), "{dim}");
}

/// The mean of many numbers of bf16 is what it should be, within six of its standard deviations, where each was rounded twice.
fn assert_mean(what: &str, values: &[f32], expected: f64) {
    let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / values.len() as f64;
    let spacing = expected.abs().log2().floor().exp2() / 128.0;
    let bound = 6.0 * spacing / (2.0 * values.len() as f64).sqrt();
    assert!((mean - expected).abs() <= bound, "{what}: {mean} for {expected}, within {bound}");
}

/// 64 rows of 256 ones, all in bf16, after a step with a gradient of `value`.
fn stepped(rng: &mut Rng, options: &AdamOptions, value: f32) -> (Table<f32>, Gradient<f32>) {
    let rounding = Rounding::Stochastic { seed: rng.next() as u32 };
    let table = Table::new(vec![1.0; 64 * 256], 256);
    let mut table = table.stored(Format::Bf16, Format::Bf16, rounding);
    let grad = Gradient { indices: (0..64).collect(), values: vec![value; 64 * 256] };
    reference::step(&mut table, &grad, options);
    (table, grad)
}

#[test]
fn what_decay_takes_late_it_takes_on_average_in_full() {
    let mut rng = Rng(fresh_seed());
    let options = AdamOptions::default().weight_decay(WeightDecay::Plain(0.01));
    let options = options.catch_up(CatchUp::Decay);
    let (mut table, _) = stepped(&mut rng, &options, 0.0);
    for _ in 0..5 {
        reference::step(&mut table, &Gradient::default(), &options);
    }
    reference::flush(&mut table, &options);
    assert_mean("after six steps", &table.param, 0.99f64.powi(6));
}

#[test]
fn a_step_and_the_flush_after_it_round_by_bits_of_their_own() {
    let mut rng = Rng(fresh_seed());
    // So that the first moment comes to lie halfway between two numbers: rounded by the same bits, what is left of it would
    // be too large on average.
    let options = AdamOptions::hugectr_lazy_global().lr(0.01).betas((0.75, 0.75));
    let g = 686f32 / 2048.0;
    let (mut table, grad) = stepped(&mut rng, &options, g);
    let (m, v) = (0.25 * f64::from(g), 0.25 * f64::from(g) * f64::from(g));
    assert_mean("exp_avg", &table.exp_avg, m);
    for steps in 1..=2 {
        reference::flush(&mut table, &options);
        let left = if steps == 1 { 0.75 } else { 0.75 * 1.75 };
        assert_mean(&format!("exp_avg, {steps} steps"), &table.exp_avg, left * m);
        assert_mean(&format!("exp_avg_sq, {steps} steps"), &table.exp_avg_sq, left * v);
        reference::step(&mut table, &grad, &options);
        assert_mean(&format!("and a gradient, {steps} steps"), &table.exp_avg, (left + 1.0) * m);
    }
    assert!(table.param.iter().all(|param| (0.9..1.0).contains(param)), "the rows moved");
}

/// Numbers that are none, or hardly: of f16 also such as are below its normal ones, which f32 has among its own.
fn specials(format: Format) -> Vec<f32> {
    let all = [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, -0.0, 0.0, 65_504.0, -65_504.0];
    let small = [6e-8, -6e-8, 6e-5, -3e-5];
    all.into_iter().chain((format == Format::F16).then_some(small).into_iter().flatten()).collect()
}

#[test]
fn rows_that_are_not_finite_are_made_up_for_as_the_twin_does() {
    let mut rng = Rng(fresh_seed());
    for on in variants() {
        if !on.0.has_bits_of_twin(&on.1) {
            continue;
        }
        let decay = AdamOptions::torch_adamw().lr(0.1).catch_up(CatchUp::Decay);
        let momentum = AdamOptions::hugectr_lazy_global().lr(0.1);
        let tried = [(Format::F16, Format::F32, decay), (Format::Bf16, Format::Bf16, momentum)];
        for (format, moments, options) in tried {
            let rounding = Rounding::Stochastic { seed: 3 };
            let stored = Stored { param: format, moments, rounding, values: Format::F32 };
            let mut pair = Pair::stored(on, &[((60, 5), options, stored)], &mut rng);
            let mut values = rng.floats(300);
            let specials = specials(format);
            values.iter_mut().step_by(7).for_each(|value| {
                *value = specials[rng.below(specials.len())];
            });
            pair.params[0] = Poisoned::new(on.0, &format.pack(&values));
            let place = pair.params[0].region.clone();
            pair.optimizer.replace_param(pair.ids[0], place).unwrap();
            pair.twins[0].param = rounded(format, &values);
            for turn in 0..5 {
                let mut grad = rng.gradient(60, 5, 40);
                let at = rng.below(200);
                grad.values[at] = [f32::INFINITY, f32::NAN, 3e38][rng.below(3)];
                let set = pair.sparse_grad(&grad, IndexDtype::U32);
                pair.step_as(0, set, &grad);
                if turn % 2 == 1 {
                    flush(&mut pair);
                    assert_flushed(&mut pair, "numbers that are not finite");
                }
            }
            assert!(pair.twins[0].param.iter().any(|value| value.is_nan()), "nothing was tried");
            assert_same_or_nan(&pair, &format!("{format:?}, {options:?}"));
        }
    }
}

#[test]
fn rows_that_were_away_for_long_are_made_up_for_once() {
    let mut rng = Rng(fresh_seed());
    for on in drawn_variants(&mut rng) {
        let stored = narrow(&mut rng);
        let options = late(&mut rng, stored);
        let mut pair = Pair::stored(on, &[((30, 3), options, stored)], &mut rng);
        pair.step_table(0, &rng.gradient(30, 3, 60));
        let most = u64::from(u32::MAX) - 4;
        for count in [5, 1000, 70_000, 1 << 24, most] {
            pair.optimizer.set_step_count(pair.ids[0], count).unwrap();
            pair.twins[0].step = count;
            if count % 2 == 0 {
                flush(&mut pair);
                assert_flushed(&mut pair, "after long");
            }
            pair.step_table(0, &rng.gradient(30, 3, 9));
        }
        pair.assert_equal(&format!("{options:?}, {stored:?}"));
    }
}
