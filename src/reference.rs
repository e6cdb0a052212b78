//! The CPU twin: the same stages in the same order, naive on purpose.
//!
//! [`step`] does in f32 exactly what the shaders do, operation for operation; on adapters that
//! round correctly and do not fuse, the GPU's bits equal its bits. [`step_f64`] is the plain
//! formula in f64, the truth that both are measured against.

mod double;
mod growing;
mod norm;
mod rows;
mod table;

pub use double::step_f64;
pub use growing::{remap, reset_rows};
pub use norm::{Asked, clip_factor, grad_norm, grad_norm_f64, step_clipped};
pub use rows::{flush, flush_with_scalars};
pub use table::Table;

use crate::narrow;
use crate::rule::adam::{ADAM, limited};
use crate::rule::{RowWords, Rule, Value, Words};
use crate::{AdamOptions, CHUNK, Clip, Status};
use std::borrow::Cow;

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
    let by = By {
        rule,
        words: rule.words(options, table.step),
        row_words: rule.row_words(options, table.step),
        scalars: scalars.unwrap_or_default(),
    };
    let grad = clipped(grad, options);
    for run in runs(&pairs, &grad, table.rows(), table.dim) {
        if !by.scalars.skip {
            update(table, &run, &by);
        }
    }
    status
}

/// A rule, and its numbers for a step.
struct By {
    rule: Rule,
    words: Words,
    row_words: RowWords,
    scalars: Scalars,
}

/// A row that a gradient names, the sum of its entries, and how many they are.
struct Run {
    row: usize,
    sum: Vec<f32>,
    entries: u32,
}

/// A gradient, its entries clipped where options ask for it.
fn clipped<'a>(grad: &'a Gradient<f32>, options: &AdamOptions) -> Cow<'a, Gradient<f32>> {
    let Clip::Entries(limit) = options.clip else { return Cow::Borrowed(grad) };
    let limit = (limit / options.grad_scale) as f32;
    let values = grad.values.iter().map(|&value| limited(value, limit)).collect();
    Cow::Owned(Gradient { indices: grad.indices.clone(), values })
}

/// The rows that a gradient of a table names, and the sum of each.
#[cfg(test)]
pub(crate) fn sums(grad: &Gradient<f32>, rows: usize, dim: usize) -> Vec<(usize, Vec<f32>)> {
    let (mut pairs, _) = ingest(&grad.indices, rows, None);
    sort(&mut pairs);
    runs(&pairs, grad, rows, dim).map(|run| (run.row, run.sum)).collect()
}

/// The rows of sorted pairs, and the sum of each.
fn runs(
    pairs: &[(u32, u32)],
    grad: &Gradient<f32>,
    rows: usize,
    dim: usize,
) -> impl Iterator<Item = Run> {
    let named = pairs.chunk_by(|a, b| a.0 == b.0).filter(move |run| (run[0].0 as usize) < rows);
    named.map(move |run| Run {
        row: run[0].0 as usize,
        sum: partial(run, &grad.values, dim),
        entries: run.len() as u32,
    })
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
fn update(table: &mut Table<f32>, run: &Run, by: &By) {
    let shared = rows::shared(table, run, by);
    for column in 0..table.dim {
        let (mut param, mut state) = table.value(run.row, column, by.rule);
        let value = Value {
            param: &mut param,
            state: &mut state,
            sum: run.sum[column],
            scalars: by.scalars,
            entries: run.entries,
            shared,
        };
        by.rule.twin(&by.words, value);
        let (row, step) = (table.drawn_by(run.row), table.step);
        let random = narrow::random(table.rounding(), step, row, column as u32);
        table.set_value(run.row, column, by.rule, (param, &state), random);
    }
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
