//! Replaying a trace on an adapter, or on the CPU twin.

use super::{Comparison, Tolerance, Trace, twin};
use crate::headless::Gpu;
use sparse_adam::{
    AdamOptions, ClipGradNorm, Error, GroupId, IndexDtype, Param, ParamGroup, ParamState,
    SparseAdam, SparseGrad, StateDict, Tuning,
};
use std::collections::BTreeMap;
use wgpu::Buffer;

/// Values and state of a parameter after a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// `[rows, dim]`, row-major.
    pub param: Vec<f32>,
    /// None where it has no state.
    pub state: Option<ParamState>,
}

impl Trace {
    /// Replays the trace on an adapter, with its own tuning or the one given.
    ///
    /// # Errors
    /// Those of the optimizer.
    pub async fn replay(
        &self,
        gpu: &Gpu,
        tuning: Option<Tuning>,
        tolerance: Tolerance,
    ) -> Result<Vec<Comparison>, Error> {
        Ok(self.replay_from(gpu, tuning, tolerance, None).await?.0)
    }

    /// What an adapter makes of the trace: every parameter by step and name, after the steps that are compared and after
    /// the last one.
    ///
    /// # Errors
    /// Those of the optimizer.
    pub async fn outcomes(&self, gpu: &Gpu) -> Result<BTreeMap<(usize, String), Outcome>, Error> {
        let mut run = GpuRun::new(self, gpu, Tuning::for_adapter(&gpu.info))?;
        let mut outcomes = BTreeMap::new();
        for k in 0..self.recipe.steps.len() {
            run.step(k)?;
            if self.looks_at(k) {
                for name in self.recipe.params.keys() {
                    outcomes.insert((k, name.clone()), run.outcome(name).await?);
                }
            }
        }
        Ok(outcomes)
    }

    /// Whether [`Trace::outcomes`] has step `k`.
    pub fn looks_at(&self, k: usize) -> bool {
        self.recipe.expect.contains(&k) || k + 1 == self.recipe.steps.len()
    }

    /// As [`Trace::replay`], from a loaded state; also returns the state after the last step.
    ///
    /// # Errors
    /// Those of the optimizer and of [`SparseAdam::load_state_dict`].
    pub async fn replay_from(
        &self,
        gpu: &Gpu,
        tuning: Option<Tuning>,
        tolerance: Tolerance,
        start: Option<&StateDict>,
    ) -> Result<(Vec<Comparison>, StateDict), Error> {
        let tuning = tuning.unwrap_or_else(|| Tuning::for_adapter(&gpu.info));
        let mut run = GpuRun::new(self, gpu, tuning)?;
        if let Some(start) = start {
            run.optimizer.load_state_dict(start)?;
        }
        let mut comparisons = Vec::new();
        for k in 0..self.recipe.steps.len() {
            run.step(k)?;
            if self.recipe.expect.contains(&k) {
                for name in self.recipe.params.keys() {
                    let outcome = run.outcome(name).await?;
                    self.compare(k, name, &outcome, tolerance, &mut comparisons);
                }
            }
        }
        Ok((comparisons, run.optimizer.state_dict().await?))
    }

    /// Replays the trace on the CPU twin.
    ///
    /// # Errors
    /// [`Error::InvalidFile`] where the trace contradicts itself.
    pub fn replay_reference(&self, tolerance: Tolerance) -> Result<Vec<Comparison>, Error> {
        Ok(self.replay_reference_from(tolerance, None)?.0)
    }

    /// As [`Trace::replay_reference`], from a loaded state; also returns the state after the
    /// last step.
    ///
    /// # Errors
    /// [`Error::InvalidFile`] where the trace contradicts itself, [`Error::StateMismatch`]
    /// where the state does not fit it.
    pub fn replay_reference_from(
        &self,
        tolerance: Tolerance,
        start: Option<&StateDict>,
    ) -> Result<(Vec<Comparison>, StateDict), Error> {
        let mut twin = twin::Twin::new(self, start)?;
        let mut comparisons = Vec::new();
        for k in 0..self.recipe.steps.len() {
            twin.step(k)?;
            if self.recipe.expect.contains(&k) {
                for (name, outcome) in twin.outcomes() {
                    self.compare(k, name, &outcome, tolerance, &mut comparisons);
                }
            }
        }
        Ok((comparisons, twin.state_dict()))
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
        let state = outcome.state.as_ref();
        let largest = state.and_then(|state| state.max_exp_avg_sq.as_deref());
        let tensors = [
            ("param", Some(&outcome.param[..])),
            ("exp_avg", state.map(|state| &state.exp_avg[..])),
            ("exp_avg_sq", state.map(|state| &state.exp_avg_sq[..])),
            ("max_exp_avg_sq", largest),
        ];
        for (tensor, found) in tensors {
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
}

/// Gives an optimizer the groups and parameters of a trace, in buffers that `make` makes of their
/// names and first values.
pub(super) fn add_groups(
    trace: &Trace,
    optimizer: &mut SparseAdam,
    mut make: impl FnMut(&str, &[f32]) -> Buffer,
) -> Result<Vec<GroupId>, Error> {
    let mut groups = Vec::new();
    for group in &trace.recipe.groups {
        let mut params = Vec::new();
        for name in &group.params {
            let shape = trace.recipe.params.get(name).cloned().unwrap_or_default();
            params.push(Param::new(name, make(name, trace.initial(name)?), shape));
        }
        let group = ParamGroup::new(params).options(group.options);
        groups.push(optimizer.add_param_group(group)?);
    }
    Ok(groups)
}

/// A trace under way on an adapter.
struct GpuRun<'a> {
    trace: &'a Trace,
    gpu: &'a Gpu,
    optimizer: SparseAdam,
    groups: Vec<GroupId>,
    buffers: BTreeMap<String, Buffer>,
}

impl<'a> GpuRun<'a> {
    fn new(trace: &'a Trace, gpu: &'a Gpu, tuning: Tuning) -> Result<Self, Error> {
        let defaults = AdamOptions::default();
        let mut optimizer = gpu.optimizer(defaults, tuning)?;
        let mut buffers = BTreeMap::new();
        let groups = add_groups(trace, &mut optimizer, |name, values| {
            let buffer = gpu.upload(name, values);
            buffers.insert(name.to_string(), buffer.clone());
            buffer
        })?;
        for (name, &steps) in &trace.recipe.start_step {
            if let Some(param) = optimizer.param(name) {
                optimizer.set_step_count(param, steps)?;
            }
        }
        optimizer.set_clip_grad_norm(trace.recipe.clip_grad_norm.map(ClipGradNorm::from))?;
        Ok(Self { trace, gpu, optimizer, groups, buffers })
    }

    fn step(&mut self, k: usize) -> Result<(), Error> {
        let step = &self.trace.recipe.steps[k];
        for set in &step.set {
            let options = set.apply(self.optimizer.options(self.groups[set.group])?);
            self.optimizer.set_options(self.groups[set.group], options)?;
        }
        self.optimizer.clear_grads();
        for name in &step.grads {
            let (indices, values) = self.trace.grad(k, name)?;
            let nnz = indices.len() as u32;
            // wgpu makes no buffer of 0 bytes.
            let (indices, values) = match nnz {
                0 => (self.gpu.zeroed("indices", 16), self.gpu.zeroed("values", 16)),
                _ => (self.gpu.upload("indices", indices), self.gpu.upload("values", values)),
            };
            let grad = SparseGrad::new(&indices, &values, nnz).index_dtype(IndexDtype::I64);
            if let Some(param) = self.optimizer.param(name) {
                self.optimizer.set_grad(param, grad)?;
            }
        }
        let optimizer = &mut self.optimizer;
        self.gpu.submit(|encoder| optimizer.step(encoder))
    }

    async fn outcome(&self, name: &str) -> Result<Outcome, Error> {
        let buffer = self.buffers.get(name).ok_or_else(|| super::file::missing(name))?;
        let param = self.gpu.read(buffer).await?;
        let state = match self.optimizer.param(name) {
            Some(param) => self.optimizer.state_of(param).await?,
            None => None,
        };
        Ok(Outcome { param, state })
    }
}
