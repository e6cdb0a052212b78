//! Groups of parameters that share hyperparameters.

use super::{AdamOptions, Setting};
use crate::{Error, Param};

/// Parameters that share hyperparameters: those of the optimizer's defaults, or its own.
#[derive(Clone, Debug, Default)]
#[must_use = "a group does nothing before it is added to an optimizer"]
pub struct ParamGroup {
    pub(crate) params: Vec<Param>,
    all: Option<AdamOptions>,
    settings: Vec<Setting>,
}

impl ParamGroup {
    /// A group of `params` with the optimizer's defaults.
    pub fn new(params: impl IntoIterator<Item = Param>) -> Self {
        Self { params: params.into_iter().collect(), ..Self::default() }
    }

    /// Its own hyperparameters, all of them.
    pub fn options(self, options: AdamOptions) -> Self {
        Self { all: Some(options), settings: Vec::new(), ..self }
    }

    pub(super) fn with(mut self, setting: Setting) -> Self {
        self.settings.push(setting);
        self
    }

    /// The group's hyperparameters, checked.
    pub(crate) fn resolved(&self, defaults: AdamOptions) -> Result<AdamOptions, Error> {
        let base = self.all.unwrap_or(defaults);
        let options = self.settings.iter().fold(base, |options, setting| setting.apply(options));
        options.validate()?;
        Ok(options)
    }
}

/// Hyperparameters of a group of tables. Which tables are its members, the tables know.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub options: AdamOptions,
    /// Kept for torch's schedulers, where a loaded state has it.
    pub initial_lr: Option<f64>,
}
