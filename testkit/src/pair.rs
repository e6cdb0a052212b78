//! Tables on an adapter and their twins on the CPU, stepped together. Nothing in this file waits or
//! panics, so it also runs in a browser.

#[cfg(not(target_arch = "wasm32"))]
mod blocking;
mod growing;
mod holding;
mod numbering;

use crate::conformance::Finding;
use crate::headless::Gpu;
use crate::stored::{last_is_whole, packed};
use crate::{Poisoned, Pool, Rng, Stored, encode, rounded};
use sparse_adam::reference::{self, Gradient, Scalars, Table};
use sparse_adam::{
    AdamOptions, ClipGradNorm, Error, Format, IndexDtype, Param, ParamGroup, ParamId, SparseAdam,
    SparseGrad, StateDict, Status, Tuning,
};

/// Rows, and values per row.
pub type Shape = (usize, usize);

/// Tables on an adapter and their twins on the CPU. Every buffer lies between poison.
///
/// Methods named `try_` return what goes wrong, and yield where a browser must; those without wait,
/// and panic, as tests want it.
#[derive(Debug)]
pub struct Pair<'a> {
    /// Where the tables are.
    pub gpu: &'a Gpu,
    /// The optimizer over them.
    pub optimizer: SparseAdam,
    /// Its ids of the tables.
    pub ids: Vec<ParamId>,
    /// The tables' values.
    pub params: Vec<Poisoned>,
    /// What the tables should be.
    pub twins: Vec<Table<f32>>,
    /// Options of each table.
    pub options: Vec<AdamOptions>,
    /// How each is stored.
    pub stored: Vec<Stored>,
    /// Where tables lie, the first, and what they are given, the last: in a buffer of its own each where there are none.
    pools: Vec<Pool>,
    /// Gradient buffers of all steps stay, so that dirty memory is around.
    held: Vec<Poisoned>,
}

impl<'a> Pair<'a> {
    /// Tables of seeded values, named `p0`, `p1`, ..., each in a group of its own with its own
    /// options.
    ///
    /// # Errors
    /// Those of the optimizer.
    pub fn try_new(
        (gpu, tuning): (&'a Gpu, Tuning),
        tables: &[(Shape, AdamOptions)],
        rng: &mut Rng,
    ) -> Result<Self, Error> {
        let tables = tables.iter().map(|&(shape, options)| (shape, options, Stored::default()));
        Self::try_stored((gpu, tuning), &tables.collect::<Vec<_>>(), rng)
    }

    /// As [`Pair::try_new`], each stored in its own formats.
    ///
    /// # Errors
    /// Those of the optimizer.
    pub fn try_stored(
        on: (&'a Gpu, Tuning),
        tables: &[(Shape, AdamOptions, Stored)],
        rng: &mut Rng,
    ) -> Result<Self, Error> {
        Self::try_pooled(on, Vec::new(), tables, rng)
    }

    /// As [`Pair::try_stored`], with tables in the first of `pools`, and gradients in the last.
    ///
    /// # Errors
    /// Those of the optimizer.
    pub fn try_pooled(
        (gpu, tuning): (&'a Gpu, Tuning),
        pools: Vec<Pool>,
        tables: &[(Shape, AdamOptions, Stored)],
        rng: &mut Rng,
    ) -> Result<Self, Error> {
        let defaults = AdamOptions::default();
        let optimizer = gpu.optimizer(defaults, tuning)?;
        let mut pair = Self {
            gpu,
            optimizer,
            ids: Vec::new(),
            params: Vec::new(),
            twins: Vec::new(),
            options: Vec::new(),
            stored: Vec::new(),
            pools,
            held: Vec::new(),
        };
        for &((rows, dim), options, stored) in tables {
            let values = rounded(stored.param, &rng.floats(rows * dim));
            let place = pair.place(&packed(stored.param, &values));
            pair.params.push(place);
            let Stored { param, moments, rounding, .. } = stored;
            pair.twins.push(Table::new(values, dim).stored(param, moments, rounding));
            pair.options.push(options);
            pair.stored.push(stored);
            let group = ParamGroup::new([pair.param(pair.twins.len() - 1)]);
            pair.add(group.options(options))?;
        }
        Ok(pair)
    }

    fn param(&self, table: usize) -> Param {
        let (twin, region) = (&self.twins[table], self.params[table].region.clone());
        let Stored { param, moments, rounding, .. } = self.stored[table];
        Param::new(format!("p{table}"), region, [twin.rows() as u32, twin.dim as u32])
            .format(param)
            .moments(moments)
            .rounding(rounding)
    }

    fn add(&mut self, group: ParamGroup) -> Result<(), Error> {
        let group = self.optimizer.add_param_group(group)?;
        self.ids.extend(self.optimizer.group_params(group)?);
        Ok(())
    }

    /// A new optimizer of any tuning over the same tables, with their rules, which knows their state and
    /// the numbers of their options from `dict` alone.
    ///
    /// # Errors
    /// Those of [`SparseAdam::load_state_dict`].
    pub fn try_restart(&mut self, tuning: Tuning, dict: &StateDict) -> Result<(), Error> {
        self.optimizer = self.gpu.optimizer(AdamOptions::default(), tuning)?;
        self.ids.clear();
        for table in 0..self.twins.len() {
            // What a state is of; catching up on decay needs a decay.
            let held = self.options[table];
            let rule = AdamOptions::default()
                .epsilon(held.epsilon)
                .bias_correction(held.bias_correction)
                .amsgrad(held.amsgrad)
                .second_moment(held.second_moment)
                .catch_up(held.catch_up)
                .weight_decay(held.weight_decay)
                .lr(held.lr);
            let group = ParamGroup::new([self.param(table)]).options(rule);
            self.add(group)?;
        }
        self.optimizer.load_state_dict(dict)
    }

    /// A gradient in buffers of its own, its values in f32.
    pub fn sparse_grad(&mut self, grad: &Gradient<f32>, format: IndexDtype) -> SparseGrad {
        self.narrow_grad(grad, format, Format::F32)
    }

    /// A gradient in buffers of its own, its values rounded to `values`.
    pub fn narrow_grad(
        &mut self,
        grad: &Gradient<f32>,
        format: IndexDtype,
        values: Format,
    ) -> SparseGrad {
        let indices = self.hold(&encode(&grad.indices, format));
        let held = self.hold(&packed(values, &grad.values));
        let nnz = grad.indices.len() as u32;
        SparseGrad::new(indices, held, nnz).index_dtype(format).format(values)
    }

    /// Sets a table's gradient, in one of the formats; its twin does not know it yet.
    ///
    /// # Errors
    /// Those of [`SparseAdam::set_grad`].
    pub fn try_set_grad(&mut self, table: usize, grad: &Gradient<f32>) -> Result<(), Error> {
        let formats = [IndexDtype::U32, IndexDtype::I32, IndexDtype::I64];
        let values = self.stored[table].values;
        let set = self.narrow_grad(grad, formats[grad.indices.len() % 3], values);
        self.optimizer.set_grad(self.ids[table], set)
    }

    /// Sets a table's gradient and steps its twin. Returns what the twin refuses.
    ///
    /// # Errors
    /// Those of [`SparseAdam::set_grad`].
    pub fn try_set(&mut self, table: usize, grad: &Gradient<f32>) -> Result<Status, Error> {
        self.try_set_grad(table, grad)?;
        Ok(self.step_twin(table, grad))
    }

    /// Sets a table's gradient, which its twin knows as `same`, and steps the twin. Returns what the
    /// twin refuses.
    ///
    /// # Errors
    /// Those of [`SparseAdam::set_grad`].
    pub fn try_set_as(
        &mut self,
        table: usize,
        grad: SparseGrad,
        same: &Gradient<f32>,
    ) -> Result<Status, Error> {
        self.optimizer.set_grad(self.ids[table], grad)?;
        Ok(self.step_twin(table, same))
    }

    /// Steps a table's twin alone. Returns what it refuses.
    pub fn step_twin(&mut self, table: usize, grad: &Gradient<f32>) -> Status {
        let grad = self.stored[table].rounded(grad);
        reference::step(&mut self.twins[table], &grad, &self.options[table])
    }

    /// Steps the twins by gradients clipped by the norm of all, whose norm is returned; tables without a gradient
    /// are skipped.
    pub fn step_twins_clipped(
        &mut self,
        grads: &[Option<Gradient<f32>>],
        scalars: Scalars,
        clip: ClipGradNorm,
    ) -> f32 {
        let rounded = |(grad, stored): (&Option<Gradient<f32>>, &Stored)| {
            grad.as_ref().map(|grad| stored.rounded(grad))
        };
        let grads: Vec<_> = grads.iter().zip(&self.stored).map(rounded).collect();
        reference::step_clipped(&mut self.twins, &grads, &self.options, scalars, clip)
    }

    /// A step of the adapter alone, with the gradients that are set.
    ///
    /// # Errors
    /// Those of [`SparseAdam::step`] and [`Gpu::submit`].
    pub fn try_submit_step(&mut self) -> Result<(), Error> {
        let optimizer = &mut self.optimizer;
        self.gpu.submit(|encoder| optimizer.step(encoder))
    }

    /// One step on both sides; tables without a gradient are skipped.
    ///
    /// # Errors
    /// As [`Pair::try_set`] and [`Pair::try_submit_step`].
    pub fn try_step(&mut self, grads: &[Option<Gradient<f32>>]) -> Result<(), Error> {
        self.optimizer.zero_grad(true);
        for (table, grad) in grads.iter().enumerate() {
            if let Some(grad) = grad {
                self.try_set(table, grad)?;
            }
        }
        self.try_submit_step()
    }

    /// One step of one table.
    ///
    /// # Errors
    /// As [`Pair::try_step`].
    pub fn try_step_table(&mut self, table: usize, grad: &Gradient<f32>) -> Result<(), Error> {
        self.optimizer.zero_grad(true);
        self.try_set(table, grad)?;
        self.try_submit_step()
    }

    /// One step of one table by `grad`, which its twin knows as `same`.
    ///
    /// # Errors
    /// As [`Pair::try_step`].
    pub fn try_step_as(
        &mut self,
        table: usize,
        grad: SparseGrad,
        same: &Gradient<f32>,
    ) -> Result<(), Error> {
        self.optimizer.zero_grad(true);
        self.try_set_as(table, grad, same)?;
        self.try_submit_step()
    }

    /// What was counted of a table.
    ///
    /// # Errors
    /// Those of [`SparseAdam::status`].
    pub async fn try_status(&self, table: usize) -> Result<Status, Error> {
        self.optimizer.status(self.ids[table]).await
    }

    /// A table as the adapter has it, and whether the poison around it is whole.
    ///
    /// # Errors
    /// As [`Gpu::read`].
    pub async fn try_table(&self, table: usize) -> Result<(Table<f32>, bool), Error> {
        let param = self.params[table].inspect::<u32>(self.gpu).await?;
        let (twin, format) = (&self.twins[table], self.stored[table].param);
        let is_whole = param.is_whole && last_is_whole(&param.contents, twin.param.len(), format);
        let mut found = Table::new(format.unpack(&param.contents, twin.param.len()), twin.dim);
        if let Some(state) = self.optimizer.state_of(self.ids[table]).await? {
            found.step = state.step;
            found.exp_avg = state.exp_avg;
            found.exp_avg_sq = state.exp_avg_sq;
            found.max_exp_avg_sq = state.max_exp_avg_sq.unwrap_or_default().into();
            let rows = state.rows.unwrap_or_default();
            found.row_counter = rows.row_counter.unwrap_or_default();
            found.prev_iter = rows.prev_iter.unwrap_or_default();
        }
        Ok((found, is_whole))
    }

    /// Compares every table with its twin, and looks at the poison around it.
    ///
    /// # Errors
    /// As [`Gpu::read`].
    pub(crate) async fn compare(&self, finding: &mut Finding) -> Result<(), Error> {
        let has_bits = self.gpu.has_bits_of_twin(self.optimizer.tuning());
        for (number, twin) in self.twins.iter().enumerate() {
            let (found, is_whole) = self.try_table(number).await?;
            finding.holds("bytes around a parameter were written", is_whole);
            finding.equal("steps counted", found.step, twin.step);
            finding.holds("steps that named rows", found.row_counter == twin.row_counter);
            finding.holds("last steps that named rows", found.prev_iter == twin.prev_iter);
            let tensors = [
                ("param", &found.param, &twin.param),
                ("exp_avg", &found.exp_avg, &twin.exp_avg),
                ("exp_avg_sq", &found.exp_avg_sq, &twin.exp_avg_sq),
                ("max_exp_avg_sq", &found.max_exp_avg_sq, &twin.max_exp_avg_sq),
            ];
            // The last only amsgrad has.
            let told = tensors
                .into_iter()
                .filter(|(_, found, expected)| !found.is_empty() || !expected.is_empty());
            for (tensor, found, expected) in told {
                let name = format!("{} x {}, p{number}/{tensor}", twin.rows(), twin.dim);
                finding.tensor(has_bits, name, found, expected);
            }
        }
        Ok(())
    }

    /// Whether all that the optimizer was given to read is as it was, and the poison around it too.
    ///
    /// # Errors
    /// As [`Gpu::read`].
    pub async fn inputs_are_whole(&self) -> Result<bool, Error> {
        for held in &self.held {
            let inspected = held.inspect::<u8>(self.gpu).await?;
            if !inspected.is_whole || !inspected.is_unchanged {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
