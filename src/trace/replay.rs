//! Replaying a trace on an adapter, or on the CPU twin.

use super::{Comparison, Tolerance, Trace};
use crate::headless::Gpu;
use crate::reference::{self, Gradient, Table};
use crate::{
    AdamOptions, Error, GroupId, IndexFormat, Param, ParamGroup, ParamState, SparseAdam,
    SparseGrad, Tuning,
};
use std::collections::BTreeMap;
use wgpu::Buffer;

/// Moments and values of a parameter after a step.
struct Outcome {
    param: Vec<f32>,
    moments: Option<(Vec<f32>, Vec<f32>)>,
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
        let tuning = tuning.unwrap_or_else(|| Tuning::for_adapter(&gpu.info));
        let mut run = GpuRun::new(self, gpu, tuning)?;
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
        Ok(comparisons)
    }

    /// Replays the trace on the CPU twin.
    ///
    /// # Errors
    /// [`Error::InvalidFile`] where the trace contradicts itself.
    pub fn replay_reference(&self, tolerance: Tolerance) -> Result<Vec<Comparison>, Error> {
        let mut tables = BTreeMap::new();
        for name in self.recipe.params.keys() {
            tables.insert(
                name,
                Table::new(self.initial(name)?.to_vec(), self.dim(name)?),
            );
        }
        let mut options: Vec<_> = self
            .recipe
            .groups
            .iter()
            .map(|group| group.options)
            .collect();
        let mut comparisons = Vec::new();
        for (k, step) in self.recipe.steps.iter().enumerate() {
            for set in &step.set {
                options[set.group] = set.apply(options[set.group]);
            }
            for name in &step.grads {
                let (indices, values) = self.grad(k, name)?;
                let grad = Gradient {
                    indices: indices.to_vec(),
                    values: values.to_vec(),
                };
                if let (Some(table), Some(options)) =
                    (tables.get_mut(name), self.options_of(name, &options))
                {
                    reference::step(table, &grad, options);
                }
            }
            if self.recipe.expect.contains(&k) {
                for (name, table) in &tables {
                    let moments = (table.exp_avg.clone(), table.exp_avg_sq.clone());
                    let moments = (table.step > 0).then_some(moments);
                    let outcome = Outcome {
                        param: table.param.clone(),
                        moments,
                    };
                    self.compare(k, name, &outcome, tolerance, &mut comparisons);
                }
            }
        }
        Ok(comparisons)
    }

    fn options_of<'a>(
        &self,
        param: &String,
        options: &'a [AdamOptions],
    ) -> Option<&'a AdamOptions> {
        let group = self
            .recipe
            .groups
            .iter()
            .position(|group| group.params.contains(param))?;
        options.get(group)
    }

    fn compare(
        &self,
        k: usize,
        name: &str,
        outcome: &Outcome,
        tolerance: Tolerance,
        comparisons: &mut Vec<Comparison>,
    ) {
        let empty = (Vec::new(), Vec::new());
        let (exp_avg, exp_avg_sq) = outcome.moments.as_ref().unwrap_or(&empty);
        let tensors = [
            ("param", &outcome.param),
            ("exp_avg", exp_avg),
            ("exp_avg_sq", exp_avg_sq),
        ];
        for (tensor, found) in tensors {
            // torch has no moments before the first gradient; neither may we.
            let expected = self.expected(k, name, tensor).unwrap_or(&[]);
            let name = format!("{k}/{name}/{tensor}");
            comparisons.push(Comparison::new(name, found, expected, tolerance));
        }
    }
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
        let mut optimizer = SparseAdam::with_tuning(&gpu.device, &gpu.queue, defaults, tuning)?;
        let (mut buffers, mut groups) = (BTreeMap::new(), Vec::new());
        for group in &trace.recipe.groups {
            let mut params = Vec::new();
            for name in &group.params {
                let shape = trace.recipe.params.get(name).cloned().unwrap_or_default();
                let buffer = gpu.upload(name, trace.initial(name)?);
                params.push(Param::new(name, &buffer, shape));
                buffers.insert(name.clone(), buffer);
            }
            let AdamOptions {
                lr,
                betas,
                eps,
                maximize,
            } = group.options;
            let group = ParamGroup::new(params)
                .lr(lr)
                .betas(betas)
                .eps(eps)
                .maximize(maximize);
            groups.push(optimizer.add_param_group(group)?);
        }
        Ok(Self {
            trace,
            gpu,
            optimizer,
            groups,
            buffers,
        })
    }

    fn step(&mut self, k: usize) -> Result<(), Error> {
        let step = &self.trace.recipe.steps[k];
        for set in &step.set {
            let options = set.apply(self.optimizer.options(self.groups[set.group])?);
            self.optimizer
                .set_options(self.groups[set.group], options)?;
        }
        self.optimizer.zero_grad(true);
        for name in &step.grads {
            let (indices, values) = self.trace.grad(k, name)?;
            let nnz = indices.len() as u32;
            // wgpu makes no buffer of 0 bytes.
            let (indices, values) = match nnz {
                0 => (
                    self.gpu.zeroed("indices", 16),
                    self.gpu.zeroed("values", 16),
                ),
                _ => (
                    self.gpu.upload("indices", indices),
                    self.gpu.upload("values", values),
                ),
            };
            let grad = SparseGrad::new(&indices, &values, nnz).index_format(IndexFormat::I64);
            if let Some(param) = self.optimizer.param(name) {
                self.optimizer.set_grad(param, grad)?;
            }
        }
        let optimizer = &mut self.optimizer;
        self.gpu.submit(|encoder| optimizer.step(encoder))
    }

    async fn outcome(&self, name: &str) -> Result<Outcome, Error> {
        let param = self.gpu.read(&self.buffers[name]).await?;
        let state = match self.optimizer.param(name) {
            Some(param) => self.optimizer.state_of(param).await?,
            None => None,
        };
        let moments = state.map(
            |ParamState {
                 exp_avg,
                 exp_avg_sq,
                 ..
             }| (exp_avg, exp_avg_sq),
        );
        Ok(Outcome { param, moments })
    }
}
