//! Whether a state dict fits an optimizer.

use super::{GroupState, MOST_STEPS, ParamState, StateDict};
use crate::cut::cut;
use crate::table::Table;
use crate::{AdamOptions, Error, Format, narrow};

impl StateDict {
    /// Checks the groups against those of an optimizer, given as the names of each group's
    /// parameters. Returns this dict's number of each parameter, in the optimizer's order.
    pub(crate) fn numbers(&self, groups: &[Vec<String>]) -> Result<Vec<usize>, Error> {
        check_equal("number of parameter groups", &groups.len(), &self.param_groups.len())?;
        let mut numbers: Vec<usize> = Vec::new();
        for (number, (group, names)) in self.param_groups.iter().zip(groups).enumerate() {
            let what = format!("parameters of group {number}");
            check_equal(&what, &names.len(), &group.params.len())?;
            if let Some(found) = &group.param_names {
                check_names(number, names, found)?;
            }
            group.check_options()?;
            numbers.extend(&group.params);
        }
        let mut unique = numbers.clone();
        unique.sort_unstable();
        unique.dedup();
        check_equal("distinct parameters in the groups", &numbers.len(), &unique.len())?;
        if let Some(stray) = self.storage.keys().find(|number| !self.state.contains_key(number)) {
            return Err(mismatch("storage", "parameters that have a state", stray));
        }
        match self.state.keys().find(|number| unique.binary_search(number).is_err()) {
            None => Ok(numbers),
            Some(stray) => Err(mismatch("state", "parameters of the groups", stray)),
        }
    }
}

impl GroupState {
    /// Checks that a state of group `number` means what an optimizer with `held` takes it for. Numbers may
    /// differ, and what touches gradients alone.
    pub(crate) fn check_rule(&self, number: usize, held: &AdamOptions) -> Result<(), Error> {
        let of = |what: &str| format!("{what} of group {number}");
        let found = &self.options;
        check_equal(&of("epsilon"), &held.epsilon, &found.epsilon)?;
        check_equal(&of("bias_correction"), &held.bias_correction, &found.bias_correction)?;
        check_equal(&of("amsgrad"), &held.amsgrad, &found.amsgrad)?;
        check_equal(&of("second_moment"), &held.second_moment, &found.second_moment)?;
        check_equal(&of("catch_up"), &held.catch_up, &found.catch_up)
    }

    /// The hyperparameters are within their ranges, the initial learning rate is finite.
    pub(crate) fn check_options(&self) -> Result<(), Error> {
        self.options.validate()?;
        match self.initial_lr.filter(|lr| !lr.is_finite()) {
            None => Ok(()),
            Some(found) => {
                let (field, expected) = ("initial_lr", "a finite number, or none");
                Err(Error::InvalidOption { field, expected, found })
            }
        }
    }
}

impl ParamState {
    /// Checks it against a table, by whose rule it is to go on.
    pub(crate) fn check(&self, table: &Table) -> Result<(), Error> {
        let (name, of_values, of_rows) = (&table.name, table.rule.state(), table.rule.row_state());
        check_equal(&format!("shape of {name:?}"), &&table.shape[..], &&self.shape[..])?;
        let expected: Vec<_> = of_values.iter().chain(&of_rows).copied().collect();
        let mut found: Vec<_> = self.tensors().map(|(field, _)| field).collect();
        // In the order of the rule, as far as it knows them.
        found.sort_by_key(|field| expected.iter().position(|known| known == field));
        check_equal(&format!("state of {name:?}"), &expected, &found)?;
        let rows = table.geometry.rows as usize;
        for (field, held) in self.tensors() {
            let values = match of_rows.contains(&field) {
                true => rows,
                false => rows * table.geometry.dim as usize,
            };
            check_equal(&format!("values of {field} of {name:?}"), &values, &held.len())?;
        }
        let most = table.rule.most_steps();
        if self.step > most {
            let what = format!("step of {name:?}");
            let most = if most == MOST_STEPS { "2^53".into() } else { most.to_string() };
            return Err(mismatch(&what, &format!("at most {most}"), &self.step));
        }
        Ok(())
    }
}

impl ParamState {
    /// Checks that its moments are numbers of the format of the parameter `name`.
    pub(crate) fn check_format(
        &self,
        name: &str,
        moments: Format,
        found: Format,
    ) -> Result<(), Error> {
        check_equal(&format!("format of the moments of {name:?}"), &moments, &found)?;
        for field in ["exp_avg", "exp_avg_sq"] {
            let values = self.floats(&[field]).next().unwrap_or_default();
            let other =
                |&&value: &&f32| narrow::stored(moments, value, None).to_bits() != value.to_bits();
            if let Some(found) = values.iter().find(other) {
                let what = format!("{field} of {name:?}");
                let expected =
                    format!("numbers of {moments:?} (ParamState::rounded makes them so)");
                return Err(mismatch(&what, &expected, found));
            }
        }
        Ok(())
    }
}

/// Names must be equal; where one prefix makes the difference, the error says so.
fn check_names(group: usize, expected: &[String], found: &[String]) -> Result<(), Error> {
    if expected == found {
        return Ok(());
    }
    let prefix = expected.first().zip(found.first());
    let prefix = prefix.and_then(|(ours, theirs)| theirs.strip_suffix(ours.as_str()));
    let only_prefix = |prefix: &&str| {
        let mut pairs = expected.iter().zip(found);
        expected.len() == found.len()
            && pairs.all(|(ours, theirs)| theirs.strip_prefix(prefix) == Some(ours.as_str()))
    };
    let remedy = match prefix.filter(only_prefix) {
        Some(prefix) => format!(
            "the same behind {prefix:?}: take it off with StateDict::rename_params(|name| \
             name.strip_prefix({prefix:?}).unwrap_or(name).to_string())"
        ),
        None => cut(format_args!("{found:?}")) + ": StateDict::rename_params changes them",
    };
    Err(Error::StateMismatch {
        what: format!("names in group {group}"),
        expected: cut(format_args!("{expected:?}")),
        found: remedy,
    })
}

fn check_equal<T: PartialEq + std::fmt::Debug>(
    what: &str,
    expected: &T,
    found: &T,
) -> Result<(), Error> {
    if expected == found {
        return Ok(());
    }
    Err(mismatch(what, &cut(format_args!("{expected:?}")), found))
}

fn mismatch(what: &str, expected: &str, found: &impl std::fmt::Debug) -> Error {
    Error::StateMismatch {
        what: what.into(),
        expected: expected.into(),
        found: cut(format_args!("{found:?}")),
    }
}
