//! The optimizer's state on the host, in torch's shape.

use crate::table::{State, Table};
use crate::upload::{self, PART_BYTES};
use crate::{AdamOptions, Error, Format, ParamId, Region, Rounding, SparseAdam, serde_with};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Range;

mod checks;
mod group;
mod param;
pub(crate) mod read;
mod rows;

#[cfg(feature = "checkpoint")]
pub(crate) use param::Numbers;
pub use param::{ParamState, RowState};

/// What `torch.optim.SparseAdam.state_dict()` holds: state by parameter number, and groups.
///
/// Parameters are numbered through the groups in order, as torch numbers them, which may
/// differ from the order in which they were added.
///
/// Through serde it comes back equal, or is not written: text formats such as JSON have no
/// infinity and no NaN, and writing a state that holds one fails there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
#[must_use = "a state that nobody keeps is lost"]
pub struct StateDict {
    /// State of each parameter that has had a gradient, or been given a state otherwise.
    #[serde(deserialize_with = "serde_with::unique")]
    pub state: BTreeMap<usize, ParamState>,
    /// The groups, in order.
    pub param_groups: Vec<GroupState>,
    /// How states are stored on the device: of each whose moments are not f32, or that something is rounded by random
    /// bits for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[serde(deserialize_with = "serde_with::unique")]
    pub storage: BTreeMap<usize, StateStorage>,
}

/// How a parameter's state is stored on the device. On the host moments are f32 in any case, which have every number
/// of the other formats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct StateStorage {
    /// The format of the moments.
    pub moments: Format,
    /// How they and the parameter are rounded, with the seed.
    pub rounding: Rounding,
}

impl StateStorage {
    /// Of moments in this format, rounded so.
    #[must_use]
    pub fn new(moments: Format, rounding: Rounding) -> Self {
        Self { moments, rounding }
    }
}

/// Most steps that a parameter can be said to have counted: past 2^53 they are not exact in f64,
/// and bias corrections are 1 long before.
pub(crate) const MOST_STEPS: u64 = 1 << f64::MANTISSA_DIGITS;

/// One parameter group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "group::Fields", into = "group::Fields")]
#[non_exhaustive]
pub struct GroupState {
    /// Its hyperparameters.
    pub options: AdamOptions,
    /// Learning rate that torch's schedulers started from, if one was attached; not used here.
    pub initial_lr: Option<f64>,
    /// Numbers of its parameters.
    pub params: Vec<usize>,
    /// Names of its parameters, where they are known.
    pub param_names: Option<Vec<String>>,
}

impl GroupState {
    /// A group of the parameters `params`, as in an unnamed torch optimizer.
    #[must_use]
    pub fn new(options: AdamOptions, params: Vec<usize>) -> Self {
        Self { options, initial_lr: None, params, param_names: None }
    }
}

impl StateDict {
    /// Renames parameters, where their names are known: a state loads only under the names that
    /// the optimizer has. torch's `DistributedDataParallel` puts `module.` before every name and
    /// `torch.compile` `_orig_mod.`; this takes the former off:
    ///
    /// ```
    /// # let mut dict = sparse_adam::StateDict::default();
    /// dict.rename_params(|name| name.strip_prefix("module.").unwrap_or(name).to_string());
    /// ```
    pub fn rename_params(&mut self, mut rename: impl FnMut(&str) -> String) {
        for names in self.param_groups.iter_mut().filter_map(|group| group.param_names.as_mut()) {
            names.iter_mut().for_each(|name| *name = rename(name));
        }
    }
}

impl SparseAdam {
    /// Steps that a parameter has counted.
    ///
    /// # Errors
    /// [`Error::UnknownParam`].
    pub fn step_count(&self, param: ParamId) -> Result<u64, Error> {
        Ok(self.table(param)?.state.as_ref().map_or(0, |state| state.step))
    }

    /// Sets the steps that a parameter has counted: where a recorded step was never submitted, its
    /// count is one ahead, and this takes it back. The next step is number `steps + 1`. Moments are
    /// left as they are, and so is what rows remember ([`RowState`]): with a [`CatchUp`](crate::CatchUp), a count set
    /// forward makes them miss the steps in between, one set back makes them miss none until it has come by. A parameter that has none yet gets them, zeroed, unless `steps` is 0.
    ///
    /// # Errors
    /// [`Error::UnknownParam`]; [`Error::TooLarge`] for more than 2^53, or than rows remember (2^32 - 3); [`Error::OutOfMemory`],
    /// [`Error::DeviceLost`].
    pub fn set_step_count(&mut self, param: ParamId, steps: u64) -> Result<(), Error> {
        self.begin()?;
        let number = self.number_of(param)?;
        let table = &self.tables[number];
        let limit = table.rule.most_steps();
        if steps > limit {
            let what = format!("steps of {:?}", table.name);
            let remedy = "bias corrections are 1 long before: give a smaller count";
            return Err(Error::TooLarge { what, found: steps, limit, remedy });
        }
        let mut made = None;
        if table.state.is_none() && steps > 0 {
            made = Some(State::new(&self.recorder.guard, table)?);
        }
        self.trust(&[]);
        if made.is_some() {
            self.tables[number].state = made;
        }
        if let Some(state) = &mut self.tables[number].state {
            state.step = steps;
        }
        Ok(())
    }

    /// Replaces groups' hyperparameters and all state by those of `dict`, which may come from
    /// another device, from torch, or from other window sizes. Where a parameter and its state in `dict` both
    /// round by random bits, the seed is that of `dict` from now on. A parameter that `dict` has no
    /// state of loses its own. Steps recorded from now on start from it; the parameters
    /// themselves are the caller's to restore. Natively the copies that upload it are submitted here,
    /// 64 MiB at a time.
    ///
    /// # Errors
    /// [`Error::StateMismatch`] where groups, sizes, names, shapes, counts or moments' formats differ from this
    /// optimizer's (other names: [`StateDict::rename_params`]); [`Error::Conflict`]; [`Error::InvalidOption`], also for
    /// an `initial_lr` that is not finite; [`Error::OutOfMemory`], [`Error::DeviceLost`]. Nothing
    /// is loaded then. In a browser a device tells only later that it has no memory: then a
    /// later call returns the error, and what was held before the load is held again.
    pub fn load_state_dict(&mut self, dict: &StateDict) -> Result<(), Error> {
        self.begin()?;
        let numbers = self.check_groups(dict)?;
        let tables = self.numbering();
        let mut found: Vec<(usize, &ParamState, StateStorage)> = Vec::new();
        for (&table, number) in tables.iter().zip(&numbers) {
            if let Some(state) = dict.state.get(number) {
                found.push((table, state, dict.storage.get(number).copied().unwrap_or_default()));
            }
        }
        // In the order in which a step would make them.
        found.sort_by_key(|&(table, ..)| table);
        let mut loaded: Vec<Option<State>> = vec![None; self.tables.len()];
        for (&(table, ..), made) in found.iter().zip(self.new_states(&found)?) {
            loaded[table] = Some(made);
        }
        for (&table, number) in tables.iter().zip(&numbers) {
            if let (Some(state), Some(made)) = (dict.state.get(number), &loaded[table]) {
                self.upload_state(table, made, state)?;
            }
        }
        self.trust_groups();
        for (table, state) in self.tables.iter_mut().zip(loaded) {
            table.state = state;
        }
        for (held, group) in self.groups.iter_mut().zip(&dict.param_groups) {
            held.options = group.options;
            held.initial_lr = group.initial_lr;
        }
        self.follow_groups();
        Ok(())
    }

    /// Gives one parameter a state, of another optimizer ([`SparseAdam::state_of`]), from a file, or of other making: so a
    /// parameter that is added in the middle of a training goes on where it was. Its steps are counted from the state's. All
    /// other parameters and all groups stay as they are. What is rounded by random bits is so by the parameter's own seed.
    ///
    /// Steps recorded from now on start from it; natively the copies that upload it are submitted here.
    ///
    /// # Errors
    /// [`Error::UnknownParam`], [`Error::RemovedParam`]; [`Error::StateMismatch`] where shape, tensors, counts or the format
    /// of moments are not the parameter's ([`ParamState::rounded`]); [`Error::OutOfMemory`], [`Error::DeviceLost`]. Nothing is
    /// loaded then; in a browser as for [`SparseAdam::load_state_dict`].
    pub fn load_state_of(&mut self, param: ParamId, state: &ParamState) -> Result<(), Error> {
        self.begin()?;
        let number = self.number_of(param)?;
        let storage = self.tables[number].storage;
        let storage = StateStorage::new(storage.moments, storage.rounding);
        let made = self.new_states(&[(number, state, storage)])?;
        made.iter().try_for_each(|made| self.upload_state(number, made, state))?;
        self.trust(&[]);
        self.tables[number].state = made.into_iter().next();
        Ok(())
    }

    /// Checks states against tables, and makes them, zeroed.
    fn new_states(&self, of: &[(usize, &ParamState, StateStorage)]) -> Result<Vec<State>, Error> {
        for &(table, state, storage) in of {
            let held = &self.tables[table];
            state.check(held)?;
            state.check_format(&held.name, held.storage.moments, storage.moments)?;
        }
        let tables = of.iter().map(|&(table, ..)| &self.tables[table]);
        let tables = tables.map(|table| (table, &*table.windows));
        let made = State::of_all(&self.recorder.guard, tables, self.recorder.shape)?;
        let given = |(made, (_, state, storage)): (State, &(usize, &ParamState, StateStorage))| {
            State { step: state.step, rounding: made.rounding.or_as(storage.rounding), ..made }
        };
        Ok(made.into_iter().zip(of).map(given).collect())
    }

    /// Fills a new state of a table.
    fn upload_state(&self, table: usize, made: &State, state: &ParamState) -> Result<(), Error> {
        let table = &self.tables[table];
        self.upload_rows(table, made, state)?;
        let fields: Vec<_> = state.floats(table.rule.state()).collect();
        self.upload_fields(table, made, &fields)
    }

    /// Table numbers in torch's order: through the groups, then as added.
    fn numbering(&self) -> Vec<usize> {
        let mut tables: Vec<_> = (0..self.tables.len()).collect();
        tables.sort_by_key(|&table| self.tables[table].group);
        tables
    }

    fn names(&self, group: usize) -> Vec<String> {
        let members = self.tables.iter().filter(|table| table.group == group);
        members.map(|table| table.name.clone()).collect()
    }

    /// Checks groups against this optimizer's. Returns the dict's number of each parameter, in
    /// this optimizer's order.
    fn check_groups(&self, dict: &StateDict) -> Result<Vec<usize>, Error> {
        let names: Vec<_> = (0..self.groups.len()).map(|group| self.names(group)).collect();
        let numbers = dict.numbers(&names)?;
        for (number, (held, group)) in self.groups.iter().zip(&dict.param_groups).enumerate() {
            group.check_rule(number, &held.options)?;
        }
        Ok(numbers)
    }

    /// Fills a new state with fields, each `[rows, dim]`.
    pub(crate) fn upload_fields(
        &self,
        table: &Table,
        made: &State,
        fields: &[&[f32]],
    ) -> Result<(), Error> {
        let dim = table.geometry.dim as usize;
        self.fill(&made.windows, table.row_bytes.state, |row, words| {
            let row = fields.iter().map(|field| &field[row * dim..][..dim]);
            rows::push(table.storage.moments, &row.collect::<Vec<_>>(), words);
        })
    }

    /// Fills what rows have of their own.
    fn upload_rows(&self, table: &Table, made: &State, state: &ParamState) -> Result<(), Error> {
        let names = table.rule.row_state();
        let fields: Vec<_> = names.iter().filter_map(|name| state.words(name)).collect();
        self.fill(&made.rows, table.row_bytes.rows, |row, words| {
            words.extend(fields.iter().map(|field| field[row]));
        })
    }

    /// Fills regions with the rows of a table, one behind the other; `push` adds the words of a row.
    fn fill(
        &self,
        regions: &[Region],
        row_bytes: u64,
        push: impl Fn(usize, &mut Vec<u32>),
    ) -> Result<(), Error> {
        let mut rows = 0..;
        for region in regions {
            for part in parts(row_bytes, region.size()) {
                let bytes = part.end - part.start;
                let mut window = Vec::with_capacity(bytes as usize / 4);
                let rows = rows.by_ref().take((bytes / row_bytes) as usize);
                rows.for_each(|row| push(row, &mut window));
                let bytes = bytemuck::cast_slice(&window);
                let at = region.offset() + part.start;
                upload::write(&self.recorder.guard, region.buffer(), at, bytes)?;
            }
        }
        Ok(())
    }
}

/// The bytes `[0, size)` of a window of a state, in runs of whole rows that are moved at once.
fn parts(row_bytes: u64, size: u64) -> impl Iterator<Item = Range<u64>> {
    let step = (PART_BYTES / row_bytes).max(1) * row_bytes;
    (0..size).step_by(step as usize).map(move |start| start..size.min(start + step))
}
