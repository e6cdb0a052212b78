//! A trace under way on the CPU twin.

use super::{Outcome, Trace, judge};
use crate::Stored;
use sparse_adam::reference::{self, Gradient, Scalars, Table};
use sparse_adam::{
    AdamOptions, ClipGradNorm, Error, GroupState, ParamState, Rounding, StateDict, StateStorage,
};
use std::collections::BTreeMap;

/// Tables and options of a trace's parameters.
pub(super) struct Twin<'a> {
    trace: &'a Trace,
    tables: BTreeMap<&'a str, Table<f32>>,
    /// How each is stored: a state that is loaded goes on with its own seed.
    stored: BTreeMap<&'a str, Stored>,
    options: Vec<AdamOptions>,
}

impl<'a> Twin<'a> {
    pub fn new(trace: &'a Trace, start: Option<&StateDict>) -> Result<Self, Error> {
        if !trace.recipe.formats.is_empty() {
            judge::admit(trace)?;
        }
        let (mut tables, mut all_stored) = (BTreeMap::new(), BTreeMap::new());
        for name in trace.recipe.params.keys() {
            let stored = trace.recipe.stored(name);
            all_stored.insert(name.as_str(), stored);
            let table = Table::new(trace.initial(name)?.to_vec(), trace.dim(name));
            let mut table = table.stored(stored.param, stored.moments, stored.rounding);
            table.step = trace.recipe.start_step.get(name).copied().unwrap_or(0);
            tables.insert(name.as_str(), table);
        }
        let options = trace.recipe.groups.iter().map(|group| group.options).collect();
        let mut twin = Self { trace, tables, stored: all_stored, options };
        for (name, group) in twin.numbered() {
            // A parameter with a step count has all of its state.
            if let Some(table) = twin.tables.get_mut(name).filter(|table| table.step > 0) {
                table.make_room(&twin.options[group]);
            }
        }
        if let Some(start) = start {
            twin.load(start)?;
        }
        Ok(twin)
    }

    /// Parameters in torch's order: through the groups. Each with its group.
    fn numbered(&self) -> impl Iterator<Item = (&'a str, usize)> + use<'a> {
        let groups = self.trace.recipe.groups.iter().enumerate();
        groups.flat_map(|(group, recipe)| recipe.params.iter().map(move |p| (p.as_str(), group)))
    }

    /// Takes over a state as an optimizer does, and refuses what it refuses.
    fn load(&mut self, start: &StateDict) -> Result<(), Error> {
        judge::load(self.trace, start)?;
        // Numbers lie in the order of the parameters, through the groups.
        let numbers = start.param_groups.iter().flat_map(|group| &group.params);
        for ((name, _), number) in self.numbered().zip(numbers) {
            let Some(table) = self.tables.get_mut(name) else { continue };
            let Some(state) = start.state.get(number) else {
                table.step = 0;
                continue;
            };
            table.step = state.step;
            table.exp_avg.clone_from(&state.exp_avg);
            table.exp_avg_sq.clone_from(&state.exp_avg_sq);
            table.max_exp_avg_sq = state.max_exp_avg_sq.as_deref().unwrap_or_default().to_vec();
            let rows = state.rows.as_deref().cloned().unwrap_or_default();
            table.row_counter = rows.row_counter.unwrap_or_default();
            table.prev_iter = rows.prev_iter.unwrap_or_default();
            let (stored, storage) = (self.stored.get_mut(name), start.storage.get(number));
            if let (Some(stored), Some(storage)) = (stored, storage)
                && stored.rounding != Rounding::Nearest
                && storage.rounding != Rounding::Nearest
            {
                stored.rounding = storage.rounding;
                *table = table.clone().stored(stored.param, stored.moments, stored.rounding);
            }
        }
        self.options = start.param_groups.iter().map(|group| group.options).collect();
        Ok(())
    }

    pub fn step(&mut self, k: usize) -> Result<(), Error> {
        let step = &self.trace.recipe.steps[k];
        for set in &step.set {
            self.options[set.group] = set.apply(self.options[set.group]);
        }
        let mut grads = Vec::new();
        for (name, group) in self.numbered() {
            if step.grads.iter().any(|named| named == name) {
                let (indices, values) = self.trace.grad(k, name)?;
                let grad = Gradient { indices: indices.to_vec(), values: values.to_vec() };
                grads.push((name, &self.options[group], grad));
            }
        }
        let scalars = self.clipped(&grads);
        for (name, options, grad) in &grads {
            let Some(table) = self.tables.get_mut(name) else { continue };
            match scalars {
                Some(scalars) => reference::step_with_scalars(table, grad, scalars, options),
                None => reference::step(table, grad, options),
            };
        }
        Ok(())
    }

    /// What gradients are multiplied by, where they are clipped by their norm.
    fn clipped(&self, grads: &[(&str, &AdamOptions, Gradient<f32>)]) -> Option<Scalars> {
        let clip = ClipGradNorm::from(self.trace.recipe.clip_grad_norm?);
        let asked = grads
            .iter()
            .filter_map(|(name, options, grad)| Some((self.tables.get(name)?, grad, *options)));
        let asked: Vec<_> = asked.collect();
        let norm = reference::grad_norm(&asked, Scalars::default(), clip.norm_type);
        let grad_scale = reference::clip_factor(norm, clip.max_norm);
        Some(Scalars { grad_scale, ..Scalars::default() })
    }

    pub fn outcomes(&self) -> impl Iterator<Item = (&'a str, Outcome)> {
        self.tables.iter().map(|(&name, table)| {
            (name, Outcome { param: table.param.clone(), state: self.state(name, table) })
        })
    }

    /// The state of a table; None before its first step.
    fn state(&self, name: &str, table: &Table<f32>) -> Option<ParamState> {
        let shape = self.trace.recipe.params.get(name)?.clone();
        let (exp_avg, exp_avg_sq) = (table.exp_avg.clone(), table.exp_avg_sq.clone());
        let state = ParamState::new(table.step, shape, exp_avg, exp_avg_sq);
        let largest = &table.max_exp_avg_sq;
        let mut state = match largest.is_empty() {
            true => state,
            false => state.max_exp_avg_sq(largest.clone()),
        };
        if !table.row_counter.is_empty() {
            state = state.row_counter(table.row_counter.clone());
        }
        if !table.prev_iter.is_empty() {
            state = state.prev_iter(table.prev_iter.clone());
        }
        (table.step > 0).then_some(state)
    }

    pub fn state_dict(&self) -> StateDict {
        let mut dict = StateDict::default();
        for options in &self.options {
            let mut group = GroupState::new(*options, Vec::new());
            group.param_names = Some(Vec::new());
            dict.param_groups.push(group);
        }
        for (number, (name, group)) in self.numbered().enumerate() {
            let group = &mut dict.param_groups[group];
            group.params.push(number);
            group.param_names.get_or_insert_default().push(name.to_string());
            let state = self.tables.get(name).and_then(|table| self.state(name, table));
            let Some(state) = state else { continue };
            dict.state.insert(number, state);
            let Stored { moments, rounding, .. } =
                self.stored.get(name).copied().unwrap_or_default();
            let storage = StateStorage::new(moments, rounding);
            if storage != StateStorage::default() {
                dict.storage.insert(number, storage);
            }
        }
        dict
    }
}
