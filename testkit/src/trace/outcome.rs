//! What came out of a replay: compared with what the trace expects, and written to a file.

use super::file::invalid;
use super::{Comparison, Tolerance, Trace};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, serialize};
use sparse_adam::{Error, ParamState};
use std::collections::BTreeMap;

/// Values and state of a parameter after a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// `[rows, dim]`, row-major, in f32 whatever they are stored in.
    pub param: Vec<f32>,
    /// None where it has no state.
    pub state: Option<ParamState>,
}

/// Parameters by step and name.
pub type Outcomes = BTreeMap<(usize, String), Outcome>;

impl Outcome {
    /// Each tensor that a trace may expect, by its name.
    fn tensors(&self) -> [(&'static str, Option<&[f32]>); 4] {
        let state = self.state.as_ref();
        let largest = state.and_then(|state| state.max_exp_avg_sq.as_deref());
        [
            ("param", Some(&self.param[..])),
            ("exp_avg", state.map(|state| &state.exp_avg[..])),
            ("exp_avg_sq", state.map(|state| &state.exp_avg_sq[..])),
            ("max_exp_avg_sq", largest),
        ]
    }
}

impl Trace {
    /// How far outcomes are from what the trace expects, after each step that it tells of.
    #[must_use]
    pub fn compare_all(&self, outcomes: &Outcomes, tolerance: Tolerance) -> Vec<Comparison> {
        let mut comparisons = Vec::new();
        for ((k, name), outcome) in self.expected_of(outcomes) {
            self.compare(*k, name, outcome, tolerance, &mut comparisons);
        }
        comparisons
    }

    /// Adds how far a parameter after step `k` is from what is expected of it, tensor by tensor: nothing where the trace
    /// does not tell.
    pub fn compare(
        &self,
        k: usize,
        name: &str,
        outcome: &Outcome,
        tolerance: Tolerance,
        comparisons: &mut Vec<Comparison>,
    ) {
        for (tensor, found) in outcome.tensors() {
            if self.leaves_open(k, name, tensor) {
                continue;
            }
            // torch has no moments before the first gradient; neither may we.
            let expected = self.expected(k, name, tensor).unwrap_or(&[]);
            let found = found.unwrap_or(&[]);
            let name = format!("{k}/{name}/{tensor}");
            comparisons.push(Comparison::new(name, found, expected, tolerance));
        }
    }

    /// A safetensors file of what came out, in f32, under the names of the tensors that the trace expects; without those
    /// that did not come out.
    ///
    /// # Errors
    /// [`Error::InvalidFile`] where there is too much for a file's header.
    pub fn dump(&self, outcomes: &Outcomes) -> Result<Vec<u8>, Error> {
        let mut views = Vec::new();
        for ((k, name), outcome) in self.expected_of(outcomes) {
            for (tensor, found) in outcome.tensors() {
                let (Some(found), Some(_)) = (found, self.expected(*k, name, tensor)) else {
                    continue;
                };
                let (shape, bytes) = (self.shape(name, found.len()), bytemuck::cast_slice(found));
                let tensor = format!("expected/{k}/{name}/{tensor}");
                let view = TensorView::new(Dtype::F32, shape, bytes);
                let view = view.map_err(|error| invalid(&tensor, error))?;
                views.push((tensor, view));
            }
        }
        serialize(views, None).map_err(|error| invalid("dump", error))
    }

    /// The outcomes after steps of which the trace tells something.
    fn expected_of<'a>(
        &self,
        outcomes: &'a Outcomes,
    ) -> impl Iterator<Item = (&'a (usize, String), &'a Outcome)> {
        outcomes.iter().filter(|((k, _), _)| self.recipe.expect.contains(k))
    }

    /// The parameter's shape, or one axis where a tensor has another number of values: one per row.
    fn shape(&self, name: &str, values: usize) -> Vec<usize> {
        let shape = self.recipe.params.get(name).map_or(&[][..], Vec::as_slice);
        let shape: Vec<_> = shape.iter().map(|&axis| axis as usize).collect();
        if shape.iter().product::<usize>() == values { shape } else { vec![values] }
    }
}
