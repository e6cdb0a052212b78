//! What a check found.

use super::{bound, tuning_name};
use crate::trace::Comparison;
use serde::Serialize;
use sparse_adam::Tuning;

/// What a check is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// One stage of the step, by itself.
    Kernel,
    /// A law of the whole step.
    Law,
    /// A run recorded from PyTorch.
    Trace,
}

/// What one check found on one adapter in one tuning.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// What it is about.
    pub kind: Kind,
    /// The law's or the trace's name.
    pub name: String,
    /// `serial` or `parallel`.
    pub tuning: &'static str,
    /// The largest differences, one line for each of `param`, `exp_avg` and `exp_avg_sq` that
    /// was compared.
    pub tensors: Vec<Comparison>,
    /// Everything else that is wrong, in words; usually empty.
    pub wrong: Vec<String>,
    /// Whether all is within bounds and nothing is wrong.
    pub ok: bool,
}

impl Check {
    /// The largest distance in units in the last place.
    pub fn max_ulp(&self) -> u64 {
        self.tensors.iter().map(|tensor| tensor.max_ulp).max().unwrap_or(0)
    }
}

/// A check under way.
#[derive(Debug, Default)]
pub(crate) struct Finding {
    tensors: Vec<Comparison>,
    wrong: Vec<String>,
}

impl Finding {
    /// Takes in comparisons, named `.../param` and so on.
    pub fn compare(&mut self, comparisons: Vec<Comparison>) {
        for found in comparisons {
            if !found.within {
                self.fail(format!("{}: off by up to {:e}", found.name, found.max_abs));
            }
            let kind = found.name.rsplit('/').next().unwrap_or_default().to_string();
            match self.tensors.iter_mut().find(|tensor| tensor.name == kind) {
                Some(tensor) => tensor.widen(&found),
                None => self.tensors.push(Comparison { name: kind, ..found }),
            }
        }
    }

    /// Compares a tensor with the twin's: its bits, or within the bound.
    pub fn tensor(&mut self, has_bits: bool, name: String, found: &[f32], expected: &[f32]) {
        if has_bits && found.len() == expected.len() {
            let mut pairs = found.iter().zip(expected);
            // A comparison takes 0 for -0, and any NaN for another.
            if let Some(at) = pairs.position(|(a, b)| a.to_bits() != b.to_bits()) {
                let (a, b) = (found[at], expected[at]);
                self.fail(format!("{name}: element {at} is {a:e}, expected the bits of {b:e}"));
            }
        }
        self.compare(vec![Comparison::new(name, found, expected, bound(has_bits))]);
    }

    /// Whether nothing is wrong so far, or what is.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn verdict(&self) -> Result<(), String> {
        if self.wrong.is_empty() { Ok(()) } else { Err(self.wrong.join("; ")) }
    }

    /// Notes what is wrong; of many, the first few.
    pub fn fail(&mut self, what: String) {
        match self.wrong.len() {
            0..5 => self.wrong.push(what),
            5 => self.wrong.push("and more".into()),
            _ => {}
        }
    }

    /// Notes `what` unless two things are equal.
    pub fn equal<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, found: T, expected: T) {
        if found != expected {
            self.fail(format!("{what}: found {found:?}, expected {expected:?}"));
        }
    }

    /// Notes `what` unless it holds. For what is too long to print.
    pub fn holds(&mut self, what: &str, holds: bool) {
        if !holds {
            self.fail(what.into());
        }
    }

    pub fn check(self, kind: Kind, name: &str, tuning: &Tuning) -> Check {
        Check {
            kind,
            name: name.into(),
            tuning: tuning_name(tuning),
            ok: self.wrong.is_empty(),
            tensors: self.tensors,
            wrong: self.wrong,
        }
    }
}
