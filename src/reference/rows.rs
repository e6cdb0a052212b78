//! What rows have of their own: stages `squares` and `rows`, and bringing rows up to date.

use super::{By, Run, Scalars, Table};
use crate::AdamOptions;
use crate::narrow;
use crate::rule::adam::ADAM;
use crate::rule::{ROW_NUMBERS, RowValue, Rule, Value};

/// Columns whose squares are summed together.
pub(super) const BLOCK: usize = 16;

/// The numbers that the columns of a row share, of a step that names it.
pub(super) fn shared(table: &mut Table<f32>, run: &Run, by: &By) -> [f32; ROW_NUMBERS] {
    let mean_square = match by.rule.needs_squares() {
        true => square_sum(&gradients(table, run, by)) / table.dim as f32,
        false => 0.0,
    };
    let mut state = table.row_state(run.row, by.rule);
    let row = RowValue { state: &mut state, mean_square, scalars: by.scalars };
    let shared = by.rule.row_twin(&by.row_words, row);
    table.set_row_state(run.row, by.rule, &state);
    shared
}

/// The gradients of a row's values, as the rule takes them.
fn gradients(table: &mut Table<f32>, run: &Run, by: &By) -> Vec<f32> {
    let gradient = |(column, &sum)| {
        let (mut param, mut state) = table.value(run.row, column, by.rule);
        let (entries, scalars) = (run.entries, by.scalars);
        let shared = [0.0; ROW_NUMBERS];
        let value = Value { param: &mut param, state: &mut state, sum, scalars, entries, shared };
        by.rule.gradient(&by.words, &value)
    };
    run.sum.iter().enumerate().map(gradient).collect()
}

/// The sum of squares of a row: blocks of columns, each of four sums by turns, one block after another.
fn square_sum(row: &[f32]) -> f32 {
    let squares: Vec<f32> = row.iter().map(|value| value * value).collect();
    squares.chunks(BLOCK).map(block_sum).fold(0.0, |sum, block| sum + block)
}

/// The sum of a block of columns: four sums by turns, added up.
pub(super) fn block_sum(block: &[f32]) -> f32 {
    let mut sums = [0f32; 4];
    for (column, value) in block.iter().enumerate() {
        sums[column % 4] += value;
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

/// Brings every row of a table up to the steps it has counted, as
/// [`SparseAdam::flush`](crate::SparseAdam::flush) does.
pub fn flush(table: &mut Table<f32>, options: &AdamOptions) {
    flush_with_scalars(table, None, options);
}

/// As [`flush`], of an optimizer that has scalars, with these.
pub fn flush_with_scalars(table: &mut Table<f32>, scalars: Option<Scalars>, options: &AdamOptions) {
    let rule = Rule::of(&ADAM, options, scalars.is_some());
    let Some(step) = rule.behind(table.step).filter(|_| table.step > 0) else { return };
    let words = rule.row_words(options, step);
    for row in 0..table.prev_iter.len() {
        let mut last = table.prev_iter[row];
        if last == 0 {
            continue;
        }
        let owes = u64::from(last) < step;
        let behind = rule.behind_twin(&words, &mut last, scalars.unwrap_or_default());
        table.prev_iter[row] = last;
        // What owes nothing stays as it is, whatever it is.
        if !owes {
            continue;
        }
        for column in 0..table.dim {
            let (mut param, mut state) = table.value(row, column, rule);
            rule.catch_up_twin(Value {
                param: &mut param,
                state: &mut state,
                sum: 0.0,
                scalars: scalars.unwrap_or_default(),
                entries: 0,
                shared: behind,
            });
            let random = narrow::random_behind(table.rounding(), step, row as u32, column as u32);
            table.set_value(row, column, rule, (param, &state), random);
        }
    }
}
