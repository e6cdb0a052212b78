//! A table of the twin.

use crate::format::Storage;
use crate::narrow;
use crate::rule::Rule;
use crate::{AdamOptions, BiasCorrection, CatchUp, Format, Rounding, SecondMoment};

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
    /// Second moment, `[rows, dim]`; after a step where rows have one, `[rows]`.
    pub exp_avg_sq: Vec<T>,
    /// Largest second moment so far, `[rows, dim]`; empty before the first step with amsgrad.
    pub max_exp_avg_sq: Vec<T>,
    /// Steps that named each row; empty before the first step that corrects by them.
    pub row_counter: Vec<u32>,
    /// The last step that named each row; 0: none. Empty before the first step that catches up.
    pub prev_iter: Vec<u32>,
    storage: Storage,
    /// What rows draw random bits by; empty: their place.
    numbers: Vec<u32>,
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
            row_counter: Vec::new(),
            prev_iter: Vec::new(),
            storage: Storage::default(),
            numbers: Vec::new(),
        }
    }

    /// With what [`step`](super::step) writes rounded as a table is stored whose parameter and moments have these
    /// formats. Its numbers must be of them.
    #[must_use]
    pub fn stored(self, param: Format, moments: Format, rounding: Rounding) -> Self {
        Self { storage: Storage { param, moments, rounding }, ..self }
    }

    /// With rows that draw random bits by these numbers, one each, as
    /// [`SparseAdam::set_row_numbers`](crate::SparseAdam::set_row_numbers) has them.
    #[must_use]
    pub fn numbered(self, numbers: Vec<u32>) -> Self {
        Self { numbers, ..self }
    }

    /// Makes room for what options need. A table whose rows have second moments has so many.
    pub fn make_room(&mut self, options: &AdamOptions) {
        let (rows, values) = (self.rows(), self.param.len());
        let seconds = if options.second_moment == SecondMoment::Row { rows } else { values };
        self.exp_avg_sq.resize(seconds, T::default());
        if options.amsgrad {
            self.max_exp_avg_sq.resize(seconds, T::default());
        }
        if options.bias_correction == BiasCorrection::Row {
            self.row_counter.resize(rows, 0);
        }
        if options.catch_up != CatchUp::Never {
            self.prev_iter.resize(rows, 0);
        }
    }

    /// Rows of the table.
    pub fn rows(&self) -> usize {
        self.param.len() / self.dim
    }
}

impl Table<f32> {
    /// One of the fields of its state, by its name.
    fn field(&mut self, name: &str) -> &mut Vec<f32> {
        match name {
            "exp_avg" => &mut self.exp_avg,
            "exp_avg_sq" => &mut self.exp_avg_sq,
            _ => &mut self.max_exp_avg_sq,
        }
    }

    /// A value, and its state.
    pub(super) fn value(&mut self, row: usize, column: usize, rule: Rule) -> (f32, Vec<f32>) {
        let at = row * self.dim + column;
        let fields = rule.state().iter();
        (self.param[at], fields.map(|name| self.field(name)[at]).collect())
    }

    /// What a row draws random bits by in a step.
    pub(super) fn drawn_by(&self, row: usize) -> u32 {
        self.numbers.get(row).copied().unwrap_or(row as u32)
    }

    pub(super) fn rounding(&self) -> Rounding {
        self.storage.rounding
    }

    /// Writes them, rounded by these random bits where any are drawn.
    pub(super) fn set_value(
        &mut self,
        row: usize,
        column: usize,
        rule: Rule,
        (param, state): (f32, &[f32]),
        random: [Option<u32>; 3],
    ) {
        let at = row * self.dim + column;
        let Storage { param: param_format, moments, .. } = self.storage;
        self.param[at] = narrow::stored(param_format, param, random[0]);
        for (name, &value) in rule.state().iter().zip(state) {
            // The moments have random bits of their own; other fields are f32.
            let (format, random) = match *name {
                "exp_avg" => (moments, random[1]),
                "exp_avg_sq" => (moments, random[2]),
                _ => (Format::F32, None),
            };
            self.field(name)[at] = narrow::stored(format, value, random);
        }
    }

    /// What a row has of its own.
    pub(super) fn row_state(&mut self, row: usize, rule: Rule) -> Vec<u32> {
        let word = |name: &str| match name {
            "row_counter" => self.row_counter[row],
            "prev_iter" => self.prev_iter[row],
            name => self.field(name)[row].to_bits(),
        };
        rule.row_state().into_iter().map(word).collect()
    }

    pub(super) fn set_row_state(&mut self, row: usize, rule: Rule, words: &[u32]) {
        for (name, &word) in rule.row_state().into_iter().zip(words) {
            match name {
                "row_counter" => self.row_counter[row] = word,
                "prev_iter" => self.prev_iter[row] = word,
                name => self.field(name)[row] = f32::from_bits(word),
            }
        }
    }
}
