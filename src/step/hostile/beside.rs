//! Tables beside their twins, and what their steps are given.

use super::kinds::Kind;
use super::machine::Buffers;
use crate::Format;
use crate::format::Storage;
use crate::reference::{self, Gradient, Scalars, Table};
use crate::step::list::Bind;
use crate::step::record::StepOf;
use sparse_adam_testkit::Rng;
use std::collections::BTreeSet;

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
    Case { dim: 6, rows: 3000, nnz: 11_000, weighted: true },
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
    pub kind: Kind,
    pub twin: Table<f32>,
}

impl Beside {
    /// By a rule whose gradient may be negated.
    pub fn new(rng: &mut Rng, case: Case, mut kind: Kind) -> Self {
        kind.options = kind.options.lr(0.01).maximize(rng.below(2) == 1);
        let Storage { param, moments, rounding } = kind.storage;
        let values: Vec<f32> = (0..case.rows * case.dim).map(|_| number(rng)).collect();
        let values = rounded(param, &values);
        let mut twin = Table::new(values, case.dim as usize).stored(param, moments, rounding);
        twin.make_room(&kind.options);
        Self { case, kind, twin }
    }

    /// The twin's parameter as a binding has it.
    pub fn param(&self) -> Vec<u32> {
        self.kind.storage.param.pack(&self.twin.param)
    }

    /// The twin's state as a binding has it: `[rows, fields, dim]`, both moments in one word where they are bf16.
    pub fn state(&self) -> Vec<u32> {
        let (twin, dim) = (&self.twin, self.case.dim as usize);
        let both: Vec<f32> =
            twin.exp_avg.iter().zip(&twin.exp_avg_sq).flat_map(|(&m, &v)| [m, v]).collect();
        let fields = match self.kind.storage.moments {
            Format::F32 => self.kind.rule().state().iter().map(|name| self.field(name)).collect(),
            narrow => vec![narrow.pack(&both)],
        };
        let rows = 0..self.case.rows as usize;
        rows.flat_map(|row| fields.iter().flat_map(move |field| &field[row * dim..][..dim]))
            .copied()
            .collect()
    }

    /// What the twin's rows have of their own, as a binding has it.
    pub fn row_state(&self) -> Vec<u32> {
        let names = self.kind.rule().row_state();
        let fields: Vec<_> = names.into_iter().map(|name| self.field(name)).collect();
        let rows = 0..self.case.rows as usize;
        rows.flat_map(|row| fields.iter().map(move |field| field[row])).collect()
    }

    fn field(&self, name: &str) -> Vec<u32> {
        match name {
            "exp_avg" => bits(&self.twin.exp_avg),
            "exp_avg_sq" => bits(&self.twin.exp_avg_sq),
            "max_exp_avg_sq" => bits(&self.twin.max_exp_avg_sq),
            "row_counter" => self.twin.row_counter.clone(),
            "prev_iter" => self.twin.prev_iter.clone(),
            name => panic!("no field is {name}"),
        }
    }

    /// What is done to it in a step.
    pub fn step_of(&self, number: u64) -> StepOf {
        let seed = self.kind.storage.rounding.drawn_from().unwrap_or_default();
        StepOf { rule: self.kind.rule(), group: 0, options: self.kind.options, number, seed }
    }

    /// What brings it up to date after one.
    pub fn behind_of(&self, step: u64) -> StepOf {
        self.step_of(self.kind.rule().behind(step).unwrap_or(step))
    }

    /// Draws a step's entries into `buffers`, and has the twin do the step. Returns the twin's gradient.
    pub fn step(
        &mut self,
        rng: &mut Rng,
        table: u32,
        known: Scalars,
        buffers: &mut Buffers,
    ) -> Gradient<f32> {
        let (mut grad, weights) = draw(rng, self.case);
        let values = Bind::Values { table, first_row: 0, rows: self.case.nnz };
        let indices = grad.indices.iter().map(|&index| index as u32).collect();
        buffers.set(Bind::Indices { table, segment: 0 }, indices);
        buffers.set(values, self.kind.values.pack(&grad.values));
        grad.values = rounded(self.kind.values, &grad.values);
        if self.case.weighted {
            buffers.set(Bind::Weights { table, segment: 0 }, bits(&weights));
            let map: Vec<u32> = (0..self.case.nnz).collect();
            let dim = self.twin.dim;
            grad.values = reference::gather_values(&grad.values, dim, &map, Some(&weights));
        }
        match self.kind.scalars {
            true => {
                let options = &self.kind.options;
                reference::step_with_scalars(&mut self.twin, &grad, known, options)
            }
            false => reference::step(&mut self.twin, &grad, &self.kind.options),
        };
        grad
    }

    /// Brings the twin's rows up to date.
    pub fn flush(&mut self, known: Scalars) {
        let known = self.kind.scalars.then_some(known);
        reference::flush_with_scalars(&mut self.twin, known, &self.kind.options);
    }

    /// Rows of which not all bits are the twin's. Where two share a word, both are.
    pub fn differing(&self, table: u32, buffers: &Buffers) -> usize {
        let window = 0;
        let mut rows = BTreeSet::new();
        let mut compare = |bind, expected: &[u32]| {
            let found = buffers.of(bind);
            assert_eq!(found.len(), expected.len(), "{bind:?}");
            for (at, _) in found.iter().zip(expected).enumerate().filter(|(_, (a, b))| a != b) {
                rows.insert(at * self.case.rows as usize / found.len());
            }
        };
        compare(Bind::Param { table, window }, &self.param());
        compare(Bind::State { table, window }, &self.state());
        if !self.kind.rule().row_state().is_empty() {
            compare(Bind::RowState { table, window }, &self.row_state());
        }
        rows.len()
    }
}

/// `values` as numbers of a format.
fn rounded(format: Format, values: &[f32]) -> Vec<f32> {
    format.unpack(&format.pack(values), values.len())
}

pub fn bits(values: &[f32]) -> Vec<u32> {
    bytemuck::cast_slice(values).to_vec()
}
