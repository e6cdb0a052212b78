//! The formula in f64.

use super::{Gradient, Table};
use crate::{
    AdamOptions, BiasCorrection, CatchUp, Clip, Epsilon, Reduction, SecondMoment, WeightDecay,
};
use std::collections::BTreeMap;

/// One step of one table by the plain formula in f64. Entries outside the table are ignored.
pub fn step_f64(table: &mut Table<f64>, grad: &Gradient<f64>, options: &AdamOptions) {
    table.step += 1;
    table.make_room(options);
    let rows = table.rows() as i64;
    let mut sums: BTreeMap<i64, (Vec<f64>, u32)> = BTreeMap::new();
    for (&index, values) in grad.indices.iter().zip(grad.values.chunks(table.dim)) {
        if (0..rows).contains(&index) {
            let (sum, entries) = sums.entry(index).or_insert_with(|| (vec![0.0; table.dim], 0));
            sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += entry(*value, options));
            *entries += 1;
        }
    }
    for (row, (mut sum, entries)) in sums {
        if options.duplicates == Reduction::Mean {
            sum.iter_mut().for_each(|sum| *sum /= f64::from(entries));
        }
        update_row(table, row as usize, &sum, options);
    }
}

/// What an entry adds to its row's sum.
pub(super) fn entry(value: f64, options: &AdamOptions) -> f64 {
    let scaled = value * options.grad_scale;
    match options.clip {
        Clip::Entries(limit) => scaled.clamp(-limit, limit),
        Clip::None | Clip::Value(_) => scaled,
    }
}

/// The gradient of a value, of the sum of its entries.
fn gradient(param: f64, sum: f64, options: &AdamOptions) -> f64 {
    let mut g = if options.maximize { -sum } else { sum };
    if let Clip::Value(limit) = options.clip {
        g = g.clamp(-limit, limit);
    }
    match options.weight_decay {
        WeightDecay::L2(amount) => g + amount * param,
        _ => g,
    }
}

fn update_row(table: &mut Table<f64>, row: usize, sum: &[f64], options: &AdamOptions) {
    let at = row * table.dim;
    let params = &table.param[at..at + table.dim];
    let grads: Vec<_> =
        params.iter().zip(sum).map(|(&param, &sum)| gradient(param, sum, options)).collect();
    let missed = named(table, row, options);
    if options.catch_up == CatchUp::Momentum {
        for (column, g) in grads.into_iter().enumerate() {
            catch_up(table, at + column, g, missed, options);
        }
        return;
    }
    let beta2 = options.betas.1;
    if options.second_moment == SecondMoment::Row {
        let mean = grads.iter().map(|g| g * g).sum::<f64>() / table.dim as f64;
        table.exp_avg_sq[row] += (mean - table.exp_avg_sq[row]) * (1.0 - beta2);
        largest(table, row, options);
    }
    for (column, g) in grads.into_iter().enumerate() {
        let second = match options.second_moment {
            SecondMoment::Row => row,
            SecondMoment::Element => {
                let second = &mut table.exp_avg_sq[at + column];
                *second += (g * g - *second) * (1.0 - beta2);
                largest(table, at + column, options);
                at + column
            }
        };
        update(table, (row, at + column, second), (g, missed), options);
    }
}

/// Counts a step that names a row. Returns the steps since the last one, this included; 1 where there was none.
fn named(table: &mut Table<f64>, row: usize, options: &AdamOptions) -> u64 {
    if options.bias_correction == BiasCorrection::Row {
        table.row_counter[row] += 1;
    }
    if options.catch_up == CatchUp::Never {
        return 1;
    }
    let last = std::mem::replace(&mut table.prev_iter[row], table.step as u32);
    match (last, options.catch_up) {
        // The momentum of a row that was never named is zero.
        (0, CatchUp::Momentum) => table.step - 1,
        (0, _) => 1,
        (last, _) => table.step.saturating_sub(last.into()),
    }
}

fn largest(table: &mut Table<f64>, at: usize, options: &AdamOptions) {
    if options.amsgrad {
        table.max_exp_avg_sq[at] = table.max_exp_avg_sq[at].max(table.exp_avg_sq[at]);
    }
}

/// The steps since a row was last named, by its moments as they were; then the moments.
fn catch_up(table: &mut Table<f64>, at: usize, g: f64, missed: u64, options: &AdamOptions) {
    let (beta1, beta2) = options.betas;
    let last = (table.step - missed).max(1);
    let missed = (table.step - last) as f64;
    let (correction1, correction2) = options.corrections(last);
    let size = options.lr / (1.0 - beta1) * (1.0 - beta1.powf(missed)) / correction1;
    let (m, v) = (table.exp_avg[at], table.exp_avg_sq[at]);
    table.param[at] -= size * m / denominator(v, correction2, options);
    table.exp_avg[at] = beta1.powf(missed) * m + (1.0 - beta1) * g;
    table.exp_avg_sq[at] = beta2.powf(missed) * v + (1.0 - beta2) * g * g;
}

/// The corrected root, and epsilon.
fn denominator(second: f64, correction2: f64, options: &AdamOptions) -> f64 {
    match options.epsilon {
        Epsilon::Raw => (second.sqrt() + options.eps) / correction2.sqrt(),
        Epsilon::Corrected => (second / correction2).sqrt() + options.eps,
    }
}

fn update(
    table: &mut Table<f64>,
    (row, at, second): (usize, usize, usize),
    (g, missed): (f64, u64),
    options: &AdamOptions,
) {
    table.exp_avg[at] += (g - table.exp_avg[at]) * (1.0 - options.betas.0);
    let seconds = if options.amsgrad { &table.max_exp_avg_sq } else { &table.exp_avg_sq };
    let second = seconds[second];
    let kept = match options.weight_decay {
        WeightDecay::None | WeightDecay::L2(_) => 1.0,
        WeightDecay::Decoupled(amount) => 1.0 - options.lr * amount,
        WeightDecay::Plain(amount) => 1.0 - amount,
    };
    let (correction1, correction2) = match options.bias_correction {
        BiasCorrection::Row => {
            let of_row = options.bias_correction(BiasCorrection::Step);
            of_row.corrections(table.row_counter[row].into())
        }
        BiasCorrection::Step | BiasCorrection::None => options.corrections(table.step),
    };
    let step = options.lr * (table.exp_avg[at] / correction1);
    let kept = table.param[at] * kept.powf(missed as f64);
    table.param[at] = kept - step / denominator(second, correction2, options);
}
