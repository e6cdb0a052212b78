//! Tables beside their twins, and what their steps are given.

use super::machine::Buffers;
use crate::AdamOptions;
use crate::reference::{self, Gradient, Table};
use crate::step::list::Bind;
use sparse_adam_testkit::Rng;

/// A table: values per row, rows, entries per step, and whether these have weights.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub dim: u32,
    pub rows: u32,
    pub nnz: u32,
    pub weighted: bool,
}

/// Each width; tables that take no level of sums, and such that take two.
pub const CASES: [Case; 6] = [
    Case { dim: 3, rows: 900, nnz: 900, weighted: false },
    Case { dim: 3, rows: 3000, nnz: 11_000, weighted: true },
    Case { dim: 37, rows: 3000, nnz: 7000, weighted: false },
    Case { dim: 20, rows: 3000, nnz: 7000, weighted: false },
    Case { dim: 64, rows: 900, nnz: 1000, weighted: true },
    Case { dim: 64, rows: 3000, nnz: 7000, weighted: true },
];

/// A number of any magnitude, so that a product that is not rounded shows in a sum; some are so small
/// that their square is subnormal.
fn number(rng: &mut Rng) -> f32 {
    let magnitude = if rng.below(50) == 0 { 130 } else { 30 };
    rng.signed() * 2f32.powi(10 - rng.below(magnitude) as i32)
}

/// Entries of a step, with their weights: a run of thousands, some of hundreds, many of a few and of one.
fn draw(rng: &mut Rng, case: Case) -> (Gradient<f32>, Vec<f32>) {
    let index = |rng: &mut Rng| match rng.below(10) {
        0..6 => 7,
        6..8 => 50 + rng.below(10) as i64,
        _ => rng.below(case.rows as usize) as i64,
    };
    let indices = (0..case.nnz).map(|_| index(rng)).collect();
    let values = (0..case.nnz * case.dim).map(|_| number(rng)).collect();
    let weights = (0..case.nnz).map(|_| number(rng)).collect();
    (Gradient { indices, values }, weights)
}

/// A table beside its twin.
pub struct Beside {
    case: Case,
    pub twin: Table<f32>,
}

impl Beside {
    pub fn new(rng: &mut Rng, case: Case) -> Self {
        let param = (0..case.rows * case.dim).map(|_| number(rng)).collect();
        Self { case, twin: Table::new(param, case.dim as usize) }
    }

    /// The twin's state as a binding has it: `[rows, fields, dim]`.
    pub fn state(&self) -> Vec<f32> {
        let dim = self.twin.dim;
        let fields = self.twin.exp_avg.chunks(dim).zip(self.twin.exp_avg_sq.chunks(dim));
        fields.flat_map(|(first, second)| [first, second].concat()).collect()
    }

    /// Draws a step's entries into `buffers`, and has the twin do the step. Returns the twin's gradient.
    pub fn step(
        &mut self,
        rng: &mut Rng,
        table: u32,
        options: &AdamOptions,
        buffers: &mut Buffers,
    ) -> Gradient<f32> {
        let (mut grad, weights) = draw(rng, self.case);
        let values = Bind::Values { table, first_row: 0, rows: self.case.nnz };
        let indices = grad.indices.iter().map(|&index| index as u32).collect();
        buffers.set(Bind::Indices { table, segment: 0 }, indices);
        buffers.set(values, bits(&grad.values));
        if self.case.weighted {
            buffers.set(Bind::Weights { table, segment: 0 }, bits(&weights));
            let map: Vec<u32> = (0..self.case.nnz).collect();
            let dim = self.twin.dim;
            grad.values = reference::gather_values(&grad.values, dim, &map, Some(&weights));
        }
        reference::step(&mut self.twin, &grad, options);
        grad
    }

    /// Rows of which not all bits are the twin's.
    pub fn differing(&self, table: u32, buffers: &Buffers) -> usize {
        let dim = self.twin.dim;
        let param = buffers.of(Bind::Param { table, window: 0 });
        let state = buffers.of(Bind::State { table, window: 0 });
        let expected = (bits(&self.twin.param), bits(&self.state()));
        let rows = (0..self.case.rows as usize).filter(|row| {
            let same = |found: &[u32], expected: &[u32], width: usize| {
                let row = row * width..(row + 1) * width;
                found[row.clone()] == expected[row]
            };
            !(same(param, &expected.0, dim) && same(state, &expected.1, 2 * dim))
        });
        rows.count()
    }
}

pub fn bits(values: &[f32]) -> Vec<u32> {
    bytemuck::cast_slice(values).to_vec()
}
