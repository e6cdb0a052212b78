//! In which formats a trace is stored. Its file has f32 in any case, which have every number of the others.

use super::file::invalid;
use super::{Recipe, Trace};
use crate::{Stored, rounded};
use serde::{Deserialize, Serialize};
use sparse_adam::{Error, Format, Rounding};

/// The formats of a parameter as they stand in the file, and no other key. What is absent is f32, and rounded to
/// the nearest; with moments in bf16, which no optimizer rounds so, by random bits of seed 0.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FormatKeys {
    #[serde(default)]
    param: Format,
    #[serde(default)]
    state: Format,
    #[serde(default)]
    values: Format,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rounding: Option<RoundingKey>,
}

/// Of the parameter and its moments alike.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RoundingKey {
    Nearest,
    /// The seed.
    Stochastic(u32),
}

impl TryFrom<FormatKeys> for Stored {
    type Error = &'static str;

    fn try_from(keys: FormatKeys) -> Result<Self, Self::Error> {
        if keys.state == Format::F16 {
            return Err("state in f16; it may be in f32 or bf16");
        }
        let rounding = match (keys.rounding, keys.state) {
            (Some(RoundingKey::Stochastic(seed)), _) => Rounding::Stochastic { seed },
            (None, Format::Bf16) => Rounding::Stochastic { seed: 0 },
            _ => Rounding::Nearest,
        };
        Ok(Self { param: keys.param, moments: keys.state, rounding, values: keys.values })
    }
}

impl From<Stored> for FormatKeys {
    fn from(stored: Stored) -> Self {
        let rounding = match stored.rounding {
            Rounding::Stochastic { seed } => RoundingKey::Stochastic(seed),
            _ => RoundingKey::Nearest,
        };
        let Stored { param, moments: state, values, .. } = stored;
        Self { param, state, values, rounding: Some(rounding) }
    }
}

impl Recipe {
    /// How a parameter is stored.
    #[must_use]
    pub fn stored(&self, param: &str) -> Stored {
        self.formats.get(param).copied().unwrap_or_default()
    }
}

/// Formats are of parameters, and what goes in consists of their numbers: else it would be rounded, and what comes out
/// be of another run.
pub(super) fn check(trace: &Trace) -> Result<(), Error> {
    for (name, stored) in &trace.recipe.formats {
        if !trace.recipe.params.contains_key(name) {
            return Err(invalid(
                format_args!("formats of {name:?}"),
                "of a parameter that the trace does not have",
            ));
        }
        check_numbers(&format!("initial/{name}"), trace.initial(name)?, stored.param)?;
        for (k, step) in trace.recipe.steps.iter().enumerate() {
            if step.grads.contains(name) {
                let (_, values) = trace.grad(k, name)?;
                check_numbers(&format!("step/{k}/{name}/values"), values, stored.values)?;
            }
        }
    }
    Ok(())
}

/// The values of a tensor are numbers of a format.
fn check_numbers(tensor: &str, values: &[f32], format: Format) -> Result<(), Error> {
    let stored = rounded(format, values);
    let differ = |(value, stored): (&f32, &f32)| {
        value.to_bits() != stored.to_bits() && !(value.is_nan() && stored.is_nan())
    };
    let Some(at) = values.iter().zip(&stored).position(differ) else { return Ok(()) };
    let (value, nearest) = (values[at], stored[at]);
    let reason =
        format!("element {at}, {value:?}, is no number of {format:?}; the nearest is {nearest:?}");
    Err(invalid(tensor, reason))
}

#[cfg(test)]
#[path = "formats_tests.rs"]
mod tests;
