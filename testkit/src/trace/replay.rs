//! Replaying a trace on an adapter, or on the CPU twin.

use super::twin::Twin;
use super::{Comparison, Outcome, Outcomes, Tolerance, Trace};
use crate::Stored;
use crate::headless::Gpu;
use sparse_adam::{
    AdamOptions, ClipGradNorm, Error, GroupId, IndexDtype, Param, ParamGroup, SparseAdam,
    SparseGrad, StateDict, Tuning,
};
use std::collections::BTreeMap;
use wgpu::Buffer;

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

    /// As [`Trace::replay`], from a loaded state; also returns the state after the last step.
    ///
    /// # Errors
    /// Those of [`Trace::outcomes_from`].
    pub async fn replay_from(
        &self,
        gpu: &Gpu,
        tuning: Option<Tuning>,
        tolerance: Tolerance,
        start: Option<&StateDict>,
    ) -> Result<(Vec<Comparison>, StateDict), Error> {
        let (outcomes, state) = self.outcomes_from(gpu, tuning, start).await?;
        Ok((self.compare_all(&outcomes, tolerance), state))
    }

    /// What an adapter makes of the trace: every parameter by step and name, after the steps that are compared and after
    /// the last one.
    ///
    /// # Errors
    /// Those of the optimizer.
    pub async fn outcomes(&self, gpu: &Gpu) -> Result<Outcomes, Error> {
        Ok(self.outcomes_from(gpu, None, None).await?.0)
    }

    /// As [`Trace::outcomes`], with its own tuning or the one given, from a loaded state; also returns the state after
    /// the last step.
    ///
    /// # Errors
    /// Those of the optimizer and of [`SparseAdam::load_state_dict`].
    pub async fn outcomes_from(
        &self,
        gpu: &Gpu,
        tuning: Option<Tuning>,
        start: Option<&StateDict>,
    ) -> Result<(Outcomes, StateDict), Error> {
        let tuning = tuning.unwrap_or_else(|| Tuning::for_adapter(&gpu.info));
        let mut run = GpuRun::new(self, gpu, tuning)?;
        if let Some(start) = start {
            run.optimizer.load_state_dict(start)?;
        }
        let mut outcomes = Outcomes::new();
        for k in 0..self.recipe.steps.len() {
            run.step(k)?;
            if self.looks_at(k) {
                for name in self.recipe.params.keys() {
                    outcomes.insert((k, name.clone()), run.outcome(name).await?);
                }
            }
        }
        Ok((outcomes, run.optimizer.state_dict().await?))
    }

    /// Whether [`Trace::outcomes`] has step `k`.
    pub fn looks_at(&self, k: usize) -> bool {
        self.recipe.expect.contains(&k) || k + 1 == self.recipe.steps.len()
    }

    /// Replays the trace on the CPU twin.
    ///
    /// # Errors
    /// Those of [`Trace::reference_outcomes_from`].
    pub fn replay_reference(&self, tolerance: Tolerance) -> Result<Vec<Comparison>, Error> {
        Ok(self.replay_reference_from(tolerance, None)?.0)
    }

    /// As [`Trace::replay_reference`], from a loaded state; also returns the state after the
    /// last step.
    ///
    /// # Errors
    /// Those of [`Trace::reference_outcomes_from`].
    pub fn replay_reference_from(
        &self,
        tolerance: Tolerance,
        start: Option<&StateDict>,
    ) -> Result<(Vec<Comparison>, StateDict), Error> {
        let (outcomes, state) = self.reference_outcomes_from(start)?;
        Ok((self.compare_all(&outcomes, tolerance), state))
    }

    /// As [`Trace::outcomes_from`], of the CPU twin.
    ///
    /// # Errors
    /// [`Error::InvalidFile`] where the trace contradicts itself, [`Error::StateMismatch`]
    /// where the state does not fit it. Of a trace in 16 bits, or from a state, also what an optimizer refuses
    /// ([`Error::Unsupported`], [`Error::InvalidOption`], [`Error::Conflict`]).
    pub fn reference_outcomes_from(
        &self,
        start: Option<&StateDict>,
    ) -> Result<(Outcomes, StateDict), Error> {
        let mut twin = Twin::new(self, start)?;
        let mut outcomes = Outcomes::new();
        for k in 0..self.recipe.steps.len() {
            twin.step(k)?;
            if self.looks_at(k) {
                outcomes.extend(twin.outcomes().map(|(name, found)| ((k, name.into()), found)));
            }
        }
        Ok((outcomes, twin.state_dict()))
    }
}

/// Gives an optimizer the groups and parameters of a trace, in buffers that `make` makes of their
/// names and the words of their first values.
pub(super) fn add_groups(
    trace: &Trace,
    optimizer: &mut SparseAdam,
    mut make: impl FnMut(&str, &[u32]) -> Buffer,
) -> Result<Vec<GroupId>, Error> {
    let mut groups = Vec::new();
    for group in &trace.recipe.groups {
        let mut params = Vec::new();
        for name in &group.params {
            let shape = trace.recipe.params.get(name).cloned().unwrap_or_default();
            let Stored { param: format, moments, rounding, .. } = trace.recipe.stored(name);
            let buffer = make(name, &format.pack(trace.initial(name)?));
            let param = Param::new(name, buffer, shape).format(format);
            params.push(param.moments(moments).rounding(rounding));
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
        let groups = add_groups(trace, &mut optimizer, |name, words| {
            let buffer = gpu.upload(name, words);
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
            let (nnz, format) = (indices.len() as u32, self.trace.recipe.stored(name).values);
            // wgpu makes no buffer of 0 bytes.
            let (indices, values) = match nnz {
                0 => (self.gpu.zeroed("indices", 16), self.gpu.zeroed("values", 16)),
                _ => {
                    let words = format.pack(values);
                    (self.gpu.upload("indices", indices), self.gpu.upload("values", &words))
                }
            };
            let grad = SparseGrad::new(&indices, &values, nnz).index_dtype(IndexDtype::I64);
            let grad = grad.format(format);
            if let Some(param) = self.optimizer.param(name) {
                self.optimizer.set_grad(param, grad)?;
            }
        }
        let optimizer = &mut self.optimizer;
        self.gpu.submit(|encoder| optimizer.step(encoder))
    }

    async fn outcome(&self, name: &str) -> Result<Outcome, Error> {
        let buffer = self.buffers.get(name).ok_or_else(|| super::file::missing(name))?;
        let words: Vec<u32> = self.gpu.read(buffer).await?;
        let count = self.trace.initial(name)?.len();
        let param = self.trace.recipe.stored(name).param.unpack(&words, count);
        let state = match self.optimizer.param(name) {
            Some(param) => self.optimizer.state_of(param).await?,
            None => None,
        };
        Ok(Outcome { param, state })
    }
}
