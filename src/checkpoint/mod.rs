//! The state in files: safetensors both ways, PyTorch's `.pt` to read.

mod metadata;
#[cfg(feature = "pytorch")]
mod pytorch;
mod replace;
mod safetensors;

use crate::state_dict::{MOST_STEPS, Numbers};
use crate::tensor_file::{Fault, invalid};
use crate::{Error, ParamState, SparseAdam, StateDict};
use std::collections::BTreeSet;
use std::path::Path;
use wgpu::WasmNotSend;

/// What the files of this module are called in errors.
const KIND: &str = "checkpoint";

impl SparseAdam {
    /// Reads the state back and saves it as safetensors (see [`StateDict::save`]). The host
    /// holds the state once, and what reading back takes beside it.
    ///
    /// The state is that of the moment of this call; the future does not borrow the optimizer (see
    /// [`SparseAdam::state_dict`]).
    ///
    /// # Errors
    /// [`Error::DeviceLost`], [`Error::OutOfMemory`], [`Error::Io`], [`Error::InvalidFile`].
    pub fn save<P: AsRef<Path>>(
        &self,
        path: P,
    ) -> impl Future<Output = Result<(), Error>> + WasmNotSend + use<P> {
        let (state, path) = (self.state_dict(), path.as_ref().to_path_buf());
        async move { state.await?.save(path) }
    }

    /// Loads a state saved as safetensors (see [`SparseAdam::load_state_dict`]).
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::InvalidFile`], and those of [`SparseAdam::load_state_dict`].
    pub fn load(&mut self, path: impl AsRef<Path>) -> Result<(), Error> {
        self.load_state_dict(&StateDict::load(path)?)
    }
}

/// Whether an optimizer could take this state, as far as the state alone can tell: what is
/// written must load.
fn check(dict: &StateDict) -> Result<(), Fault> {
    for (number, state) in &dict.state {
        check_param(state).map_err(|reason| invalid(format_args!("state.{number}"), reason))?;
    }
    let mut numbers = BTreeSet::new();
    for (number, group) in dict.param_groups.iter().enumerate() {
        let wrong = |reason: String| invalid(format_args!("param_groups.{number}"), reason);
        group.check_options().map_err(|error| wrong(error.to_string()))?;
        let names = group.param_names.as_ref().map_or(group.params.len(), Vec::len);
        if names != group.params.len() {
            return Err(wrong(format!("{names} names of {} parameters", group.params.len())));
        }
        if let Some(twice) = group.params.iter().find(|&&param| !numbers.insert(param)) {
            return Err(wrong(format!("parameter {twice} is in the groups twice")));
        }
    }
    if let Some(stray) = dict.storage.keys().find(|number| !dict.state.contains_key(number)) {
        return Err(invalid(
            format_args!("storage.{stray}"),
            "no parameter of that number has a state",
        ));
    }
    match dict.state.keys().find(|number| !numbers.contains(number)) {
        None => Ok(()),
        Some(number) => {
            Err(invalid(format_args!("state.{number}"), "no group has a parameter of that number"))
        }
    }
}

fn check_param(state: &ParamState) -> Result<(), String> {
    let mut axes = state.shape.iter();
    let values = axes.try_fold(1u64, |values, &axis| values.checked_mul(axis.into()));
    // Of rows there are as many as of a tensor that has one number of each.
    let fills = |numbers: &Numbers<'_>| values == Some(numbers.len() as u64);
    let of_rows = state.tensors().skip(1).map(|(_, numbers)| numbers);
    let rows = of_rows.filter(|numbers| !fills(numbers)).map(Numbers::len).next();
    let has_rows = |rows: u64| values.is_some_and(|values| rows > 0 && values.is_multiple_of(rows));
    for (name, numbers) in state.tensors() {
        let by_rows =
            name != "exp_avg" && Some(numbers.len()) == rows && has_rows(numbers.len() as u64);
        if !fills(&numbers) && !by_rows {
            return Err(format!(
                "{} values of {name} do not fill {:?}",
                numbers.len(),
                state.shape
            ));
        }
    }
    if state.shape.len() > 64 {
        return Err(format!("{} axes, at most 64", state.shape.len()));
    }
    if state.step > MOST_STEPS {
        return Err(format!("step {}, at most 2^53", state.step));
    }
    Ok(())
}
