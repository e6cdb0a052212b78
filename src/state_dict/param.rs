//! The state of one parameter.

use crate::{Format, narrow, serde_with};
use serde::{Deserialize, Serialize};

/// State of one parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ParamState {
    /// Steps counted.
    pub step: u64,
    /// The parameter's shape, and that of its moments.
    pub shape: Vec<u32>,
    /// First moment, row-major.
    #[serde(serialize_with = "serde_with::finite")]
    pub exp_avg: Vec<f32>,
    /// Second moment, row-major; `[rows]` where a row has one
    /// ([`SecondMoment::Row`](crate::SecondMoment::Row)).
    #[serde(serialize_with = "serde_with::finite")]
    pub exp_avg_sq: Vec<f32>,
    /// Largest second moment so far, of the shape of the second; with
    /// [`AdamOptions::amsgrad`](crate::AdamOptions#structfield.amsgrad) alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(serialize_with = "serde_with::finite")]
    pub max_exp_avg_sq: Option<Box<[f32]>>,
    /// What rows count, where they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<Box<RowState>>,
}

/// What the rows of a parameter count, each `[rows]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RowState {
    /// How many steps named the row; with [`BiasCorrection::Row`](crate::BiasCorrection::Row).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row_counter: Option<Vec<u32>>,
    /// The last step that named the row, from 1, or the one that it was brought up to; 0: none yet. With a
    /// [`CatchUp`](crate::CatchUp).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prev_iter: Option<Vec<u32>>,
}

/// The numbers of a tensor.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Numbers<'a> {
    F32(&'a [f32]),
    U32(&'a [u32]),
}

impl<'a> Numbers<'a> {
    pub fn len(self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::U32(values) => values.len(),
        }
    }

    pub fn bytes(self) -> &'a [u8] {
        match self {
            Self::F32(values) => bytemuck::cast_slice(values),
            Self::U32(values) => bytemuck::cast_slice(values),
        }
    }
}

impl ParamState {
    /// A state of `step` counted steps; the moments are of `shape`, row-major. It is checked where it
    /// is loaded or saved.
    #[must_use]
    pub fn new(step: u64, shape: Vec<u32>, exp_avg: Vec<f32>, exp_avg_sq: Vec<f32>) -> Self {
        Self { step, shape, exp_avg, exp_avg_sq, max_exp_avg_sq: None, rows: None }
    }

    /// With the largest second moment so far, of the shape of the second.
    #[must_use]
    pub fn max_exp_avg_sq(self, largest: Vec<f32>) -> Self {
        Self { max_exp_avg_sq: Some(largest.into()), ..self }
    }

    /// With the count of the steps that named each row.
    #[must_use]
    pub fn row_counter(mut self, counts: Vec<u32>) -> Self {
        self.rows.get_or_insert_default().row_counter = Some(counts);
        self
    }

    /// With the last step that named each row.
    #[must_use]
    pub fn prev_iter(mut self, steps: Vec<u32>) -> Self {
        self.rows.get_or_insert_default().prev_iter = Some(steps);
        self
    }

    /// With its moments rounded to the nearest numbers of `moments`, for a parameter that stores them so.
    #[must_use]
    pub fn rounded(mut self, moments: Format) -> Self {
        for value in self.exp_avg.iter_mut().chain(&mut self.exp_avg_sq) {
            *value = narrow::stored(moments, *value, None);
        }
        self
    }

    /// Sets one of its moments, by its name.
    pub(crate) fn set(&mut self, name: &str, values: Vec<f32>) {
        match name {
            "exp_avg_sq" => self.exp_avg_sq = values,
            "max_exp_avg_sq" => self.max_exp_avg_sq = Some(values.into()),
            _ => self.exp_avg = values,
        }
    }

    /// Its tensors by name.
    pub(crate) fn tensors(&self) -> impl Iterator<Item = (&'static str, Numbers<'_>)> {
        let rows = self.rows.as_deref();
        let counts = |which: fn(&RowState) -> &Option<Vec<u32>>| {
            rows.and_then(|rows| which(rows).as_deref()).map(Numbers::U32)
        };
        let all = [
            ("exp_avg", Some(Numbers::F32(&self.exp_avg))),
            ("exp_avg_sq", Some(Numbers::F32(&self.exp_avg_sq))),
            ("max_exp_avg_sq", self.max_exp_avg_sq.as_deref().map(Numbers::F32)),
            ("row_counter", counts(|rows| &rows.row_counter)),
            ("prev_iter", counts(|rows| &rows.prev_iter)),
        ];
        all.into_iter().filter_map(|(name, numbers)| Some((name, numbers?)))
    }

    /// Those of its tensors that `names` tells, of f32.
    pub(crate) fn floats(&self, names: &[&str]) -> impl Iterator<Item = &[f32]> {
        self.tensors().filter(|(name, _)| names.contains(name)).filter_map(|(_, numbers)| {
            match numbers {
                Numbers::F32(values) => Some(values),
                Numbers::U32(_) => None,
            }
        })
    }

    /// The numbers of one of its tensors, as words.
    pub(crate) fn words(&self, name: &str) -> Option<&[u32]> {
        let found = self.tensors().find(|(known, _)| *known == name);
        found.map(|(_, numbers)| bytemuck::cast_slice(numbers.bytes()))
    }
}
