//! The CPU twin: the same stages in the same order, naive on purpose.
//!
//! [`step`] does in f32 exactly what the shaders do, operation for operation; on adapters that
//! round correctly and do not fuse, the GPU's bits equal its bits. [`step_f64`] is the plain
//! formula in f64, the truth that both are measured against.

use crate::format::Storage;
use crate::narrow;
use crate::rule::adam::{ADAM, limited};
use crate::rule::{Rule, Value, Words};
use crate::{AdamOptions, CHUNK, Clip, Epsilon, Format, Rounding, Status, WeightDecay};
use std::collections::BTreeMap;

/// One table with its state, in numbers of type `T`.
#[derive(Clone, Debug, PartialEq)]
pub struct Table<T> {
    /// Values per row.
    pub dim: usize,
    /// Steps counted.
    pub step: u64,
    /// `[rows, dim]`.
    pub param: Vec<T>,
    /// First moment, `[rows, dim]`.
    pub exp_avg: Vec<T>,
    /// Second moment, `[rows, dim]`.
    pub exp_avg_sq: Vec<T>,
    /// Largest second moment so far, `[rows, dim]`; empty before the first step with amsgrad.
    pub max_exp_avg_sq: Vec<T>,
    storage: Storage,
}

impl<T: Copy + Default> Table<T> {
    /// A table of `param` `[rows, dim]` with zero moments, at step 0.
    pub fn new(param: Vec<T>, dim: usize) -> Self {
        let zeros = vec![T::default(); param.len()];
        Self {
            dim,
            step: 0,
            param,
            exp_avg: zeros.clone(),
            exp_avg_sq: zeros,
            max_exp_avg_sq: Vec::new(),
            storage: Storage::default(),
        }
    }

    /// With what [`step`] writes rounded as a table is stored whose parameter and moments have these formats. Its
    /// numbers must be of them.
    #[must_use]
    pub fn stored(self, param: Format, moments: Format, rounding: Rounding) -> Self {
        Self { storage: Storage { param, moments, rounding }, ..self }
    }

    /// Makes room for what options need.
    fn make_room(&mut self, options: &AdamOptions) {
        if options.amsgrad {
            self.max_exp_avg_sq.resize(self.param.len(), T::default());
        }
    }

    /// Rows of the table.
    pub fn rows(&self) -> usize {
        self.param.len() / self.dim
    }
}

/// A sparse gradient: `indices` `[nnz]` and `values` `[nnz, dim]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gradient<T> {
    /// Row of each entry; one outside the table is refused and counted.
    pub indices: Vec<i64>,
    /// Value row of each entry.
    pub values: Vec<T>,
}

/// The value rows `[nnz, dim]` of entries that share rows of `values`: entry `e` has row
/// `map[e]`, times `weights[e]` where there are weights.
pub fn gather_values(values: &[f32], dim: usize, map: &[u32], weights: Option<&[f32]>) -> Vec<f32> {
    let row = |(entry, &value_row): (usize, &u32)| {
        let row = &values[value_row as usize * dim..][..dim];
        row.iter().map(move |&value| weights.map_or(value, |weights| weights[entry] * value))
    };
    map.iter().enumerate().flat_map(row).collect()
}

/// What a GPU knows of a step when it runs ([`SparseAdam::set_scalars`](crate::SparseAdam::set_scalars)).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scalars {
    /// What gradients are multiplied by.
    pub grad_scale: f32,
    /// What learning rates are multiplied by.
    pub lr_factor: f32,
    /// Whether nothing is written.
    pub skip: bool,
}

impl Default for Scalars {
    fn default() -> Self {
        Self { grad_scale: 1.0, lr_factor: 1.0, skip: false }
    }
}

/// One step of one table in f32, as the shaders do it. Returns what was refused.
pub fn step(table: &mut Table<f32>, grad: &Gradient<f32>, options: &AdamOptions) -> Status {
    step_but(table, grad, (None, None), options)
}

/// As [`step`], of an optimizer that has scalars, with these.
pub fn step_with_scalars(
    table: &mut Table<f32>,
    grad: &Gradient<f32>,
    scalars: Scalars,
    options: &AdamOptions,
) -> Status {
    step_but(table, grad, (None, Some(scalars)), options)
}

/// As [`step`], where row `padding_idx` is padding: its entries are left out and counted.
pub fn step_with_padding(
    table: &mut Table<f32>,
    grad: &Gradient<f32>,
    padding_idx: u32,
    options: &AdamOptions,
) -> Status {
    step_but(table, grad, (Some(padding_idx), None), options)
}

fn step_but(
    table: &mut Table<f32>,
    grad: &Gradient<f32>,
    (padding_idx, scalars): (Option<u32>, Option<Scalars>),
    options: &AdamOptions,
) -> Status {
    table.step += 1;
    table.make_room(options);
    let (mut pairs, status) = ingest(&grad.indices, table.rows(), padding_idx);
    sort(&mut pairs);
    let rule = Rule::of(&ADAM, options, scalars.is_some());
    let words = rule.words(options, table.step);
    let scalars = scalars.unwrap_or_default();
    let clipped;
    let grad = match options.clip {
        Clip::Entries(limit) => {
            let limit = (limit / options.grad_scale) as f32;
            let values = grad.values.iter().map(|&value| limited(value, limit)).collect();
            clipped = Gradient { indices: grad.indices.clone(), values };
            &clipped
        }
        _ => grad,
    };
    for (row, sum) in runs(&pairs, grad, table.rows(), table.dim) {
        if !scalars.skip {
            update(table, row, &sum, (rule, &words, scalars));
        }
    }
    status
}

/// The rows that a gradient of a table names, and the sum of each.
#[cfg(test)]
pub(crate) fn sums(grad: &Gradient<f32>, rows: usize, dim: usize) -> Vec<(usize, Vec<f32>)> {
    let (mut pairs, _) = ingest(&grad.indices, rows, None);
    sort(&mut pairs);
    runs(&pairs, grad, rows, dim).collect()
}

/// The rows of sorted pairs, and the sum of each.
fn runs(
    pairs: &[(u32, u32)],
    grad: &Gradient<f32>,
    rows: usize,
    dim: usize,
) -> impl Iterator<Item = (usize, Vec<f32>)> {
    let named = pairs.chunk_by(|a, b| a.0 == b.0).filter(move |run| (run[0].0 as usize) < rows);
    named.map(move |run| (run[0].0 as usize, partial(run, &grad.values, dim)))
}

/// Stage `ingest`: a (key, entry) pair per entry; the sentinel key is `rows`.
fn ingest(indices: &[i64], rows: usize, padding: Option<u32>) -> (Vec<(u32, u32)>, Status) {
    let mut status = Status::default();
    let pairs = indices.iter().zip(0..).map(|(&index, entry)| {
        let in_range = index >= 0 && (index as u64) < rows as u64;
        let is_padding = in_range && Some(index as u32) == padding;
        status.out_of_range += u32::from(!in_range);
        status.padding += u32::from(is_padding);
        (if in_range && !is_padding { index as u32 } else { rows as u32 }, entry)
    });
    (pairs.collect(), status)
}

/// Stage `sort`: by key, entries of one key in their order.
fn sort(pairs: &mut [(u32, u32)]) {
    pairs.sort_by_key(|pair| pair.0);
}

/// Stage `partial`: the sum of a run's value rows, as a tree of fan-in [`CHUNK`].
fn partial(run: &[(u32, u32)], values: &[f32], dim: usize) -> Vec<f32> {
    let row = |&(_, entry): &(u32, u32)| &values[entry as usize * dim..][..dim];
    let mut level: Vec<f32> = run.iter().flat_map(row).copied().collect();
    while level.len() > dim {
        level = level.chunks(CHUNK as usize * dim).flat_map(|chunk| sum_rows(chunk, dim)).collect();
    }
    level
}

/// The rows of `chunk`, added one after another.
fn sum_rows(chunk: &[f32], dim: usize) -> Vec<f32> {
    let mut rows = chunk.chunks(dim);
    let mut sum = rows.next().map_or_else(Vec::new, <[f32]>::to_vec);
    for row in rows {
        for (sum, value) in sum.iter_mut().zip(row) {
            *sum += value;
        }
    }
    sum
}

/// Stage `update`: the rule on one row.
fn update(
    table: &mut Table<f32>,
    row: usize,
    sum: &[f32],
    (rule, words, scalars): (Rule, &Words, Scalars),
) {
    let Storage { param: param_format, moments, rounding } = table.storage;
    for (column, &sum) in sum.iter().enumerate() {
        let at = row * table.dim + column;
        let random = narrow::random(rounding, table.step, row as u32, column as u32);
        let Table { param, exp_avg, exp_avg_sq, max_exp_avg_sq, .. } = table;
        let mut held = [exp_avg, exp_avg_sq, max_exp_avg_sq];
        let mut state = held.each_ref().map(|field| field.get(at).copied().unwrap_or_default());
        let fields = rule.state().len();
        rule.twin(
            words,
            Value { param: &mut param[at], state: &mut state[..fields], sum, scalars },
        );
        param[at] = narrow::stored(param_format, param[at], random[0]);
        // Both moments come first, each with random bits of its own; other fields are f32.
        let formats = [(moments, random[1]), (moments, random[2]), (Format::F32, None)];
        for ((field, value), (format, random)) in
            held.iter_mut().zip(state).zip(formats).take(fields)
        {
            field[at] = narrow::stored(format, value, random);
        }
    }
}

/// One step of one table by the plain formula in f64. Entries outside the table are ignored.
pub fn step_f64(table: &mut Table<f64>, grad: &Gradient<f64>, options: &AdamOptions) {
    table.step += 1;
    table.make_room(options);
    let rows = table.rows() as i64;
    let mut sums: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    for (&index, values) in grad.indices.iter().zip(grad.values.chunks(table.dim)) {
        if (0..rows).contains(&index) {
            let sum = sums.entry(index).or_insert_with(|| vec![0.0; table.dim]);
            sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += entry_f64(*value, options));
        }
    }
    for (row, sum) in sums {
        for (column, sum) in sum.into_iter().enumerate() {
            update_f64(table, row as usize * table.dim + column, sum, options);
        }
    }
}

/// What an entry adds to its row's sum.
fn entry_f64(value: f64, options: &AdamOptions) -> f64 {
    let scaled = value * options.grad_scale;
    match options.clip {
        Clip::Entries(limit) => scaled.clamp(-limit, limit),
        Clip::None | Clip::Value(_) => scaled,
    }
}

fn update_f64(table: &mut Table<f64>, at: usize, sum: f64, options: &AdamOptions) {
    let (beta1, beta2) = options.betas;
    let param = table.param[at];
    let mut g = if options.maximize { -sum } else { sum };
    if let Clip::Value(limit) = options.clip {
        g = g.clamp(-limit, limit);
    }
    if let WeightDecay::L2(amount) = options.weight_decay {
        g += amount * param;
    }
    table.exp_avg[at] += (g - table.exp_avg[at]) * (1.0 - beta1);
    table.exp_avg_sq[at] += (g * g - table.exp_avg_sq[at]) * (1.0 - beta2);
    let mut second = table.exp_avg_sq[at];
    if options.amsgrad {
        second = second.max(table.max_exp_avg_sq[at]);
        table.max_exp_avg_sq[at] = second;
    }
    let kept = match options.weight_decay {
        WeightDecay::None | WeightDecay::L2(_) => param,
        WeightDecay::Decoupled(amount) => param * (1.0 - options.lr * amount),
        WeightDecay::Plain(amount) => param * (1.0 - amount),
    };
    let (correction1, correction2) = options.corrections(table.step);
    let denominator = match options.epsilon {
        Epsilon::Raw => (second.sqrt() + options.eps) / correction2.sqrt(),
        Epsilon::Corrected => (second / correction2).sqrt() + options.eps,
    };
    table.param[at] = kept - options.lr * (table.exp_avg[at] / correction1) / denominator;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_summed_in_chunks_of_chunks() {
        // 2^24 + 1 rounds to 2^24 in f32: only the chunked order keeps the ones.
        let mut values = vec![1.0; 2 * CHUNK as usize];
        values[0] = 16_777_216.0;
        let run: Vec<_> = (0..values.len() as u32).map(|entry| (7, entry)).collect();
        assert_eq!(partial(&run, &values, 1), [16_777_216.0 + CHUNK as f32]);
    }

    #[test]
    fn torchs_rosenbrock_steps() {
        // torch/testing/_internal/common_optimizers.py: start (1.5, 1.5), lr 0.04, one
        // coordinate a step; the values after each step as torch 2.15 computes them.
        let options = AdamOptions::default().lr(0.04);
        let mut table = Table::new(vec![1.5f32, 1.5], 1);
        let gradient = |x: f32, y: f32, axis: i64| {
            let by_x = -400.0 * x * (y - x * x) - 2.0 * (1.0 - x);
            let by_y = 200.0 * (y - x * x);
            let value = if axis == 0 { by_x } else { by_y };
            Gradient { indices: vec![axis, axis], values: vec![value / 4.0, value - value / 4.0] }
        };
        for (axis, expected) in [(1, [1.5, 1.54]), (0, [1.470_234_5, 1.54])] {
            let grad = gradient(table.param[0], table.param[1], axis);
            step(&mut table, &grad, &options);
            for (found, expected) in table.param.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-6, "{:?}", table.param);
            }
        }
    }
}
