//! Hyperparameters of a parameter group.

use crate::power::power;
use crate::{Error, Param, serde_with};

/// Hyperparameters of SparseAdam, with PyTorch's defaults.
///
/// `eps` is added to the root of the *uncorrected* second moment, as torch's SparseAdam does
/// (`torch/optim/_functional.py`); Adam in the paper (Kingma and Ba 2015, algorithm 1), FBGEMM
/// and burn add it to the corrected one. The same `eps` therefore acts `1 / sqrt(1 - beta2^t)`
/// times stronger here in early steps.
///
/// ```
/// use sparse_adam::AdamOptions;
/// let options = AdamOptions::default().lr(0.01).betas((0.8, 0.99));
/// assert_eq!((options.lr, options.eps), (0.01, 1e-8));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct AdamOptions {
    /// Learning rate, dimensionless; finite and not negative. At 0 a step counts and moves the
    /// moments, but no parameter: schedules end or start there. What rounding leaves below 0 at the
    /// end of a schedule, down to -1e-12, passes too: torch's `LinearLR` to 0 ends as low as -1e-19.
    /// Default 1e-3.
    #[serde(serialize_with = "serde_with::finite")]
    pub lr: f64,
    /// Decay rates of the first and second moment; each in `[0, 1)`. Default (0.9, 0.999).
    #[serde(serialize_with = "serde_with::finite")]
    pub betas: (f64, f64),
    /// Added to the denominator; finite, and at least 1.2e-38, the smallest normal f32: without it a
    /// zero gradient on zero moments is 0 / 0. On a device that flushes subnormal numbers
    /// ([`Findings::flushed`](crate::Findings::flushed)) keep it at 1e-13 or above: a second moment below
    /// 1.2e-38 is 0 there, and what stands in for its root is `eps` alone. Default 1e-8.
    #[serde(serialize_with = "serde_with::finite")]
    pub eps: f64,
    /// Ascend instead of descend: the gradient is negated. Default false.
    #[serde(default)]
    pub maximize: bool,
}

impl Default for AdamOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl AdamOptions {
    /// PyTorch's defaults, where a constant is needed; else [`AdamOptions::default`].
    #[must_use]
    pub const fn new() -> Self {
        Self { lr: 1e-3, betas: (0.9, 0.999), eps: 1e-8, maximize: false }
    }

    /// With another learning rate ([`AdamOptions::lr`](AdamOptions#structfield.lr)).
    #[must_use]
    pub const fn lr(self, lr: f64) -> Self {
        Self { lr, ..self }
    }

    /// With other decay rates ([`AdamOptions::betas`](AdamOptions#structfield.betas)).
    #[must_use]
    pub const fn betas(self, betas: (f64, f64)) -> Self {
        Self { betas, ..self }
    }

    /// With another epsilon ([`AdamOptions::eps`](AdamOptions#structfield.eps)).
    #[must_use]
    pub const fn eps(self, eps: f64) -> Self {
        Self { eps, ..self }
    }

    /// In another direction ([`AdamOptions::maximize`](AdamOptions#structfield.maximize)).
    #[must_use]
    pub const fn maximize(self, maximize: bool) -> Self {
        Self { maximize, ..self }
    }

    /// Checks every field against its range.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), Error> {
        rate("lr", self.lr)?;
        divisor("eps", self.eps)?;
        decay("betas.0", self.betas.0)?;
        decay("betas.1", self.betas.1)
    }

    /// `lr * sqrt(1 - beta2^t) / (1 - beta1^t)` at step count `step` (from 1), in f64.
    pub(crate) fn step_size(&self, step: u64) -> f64 {
        let correction1 = 1.0 - power(self.betas.0, step);
        let correction2 = 1.0 - power(self.betas.1, step);
        self.lr * correction2.sqrt() / correction1
    }
}

/// Parameters that share hyperparameters: those of the optimizer's defaults, or its own.
#[derive(Clone, Debug, Default)]
#[must_use = "a group does nothing before it is added to an optimizer"]
pub struct ParamGroup {
    pub(crate) params: Vec<Param>,
    lr: Option<f64>,
    betas: Option<(f64, f64)>,
    eps: Option<f64>,
    maximize: Option<bool>,
}

impl ParamGroup {
    /// A group of `params` with the optimizer's defaults.
    pub fn new(params: impl IntoIterator<Item = Param>) -> Self {
        Self { params: params.into_iter().collect(), ..Self::default() }
    }

    /// Its own hyperparameters, all of them.
    pub fn options(self, options: AdamOptions) -> Self {
        let AdamOptions { lr, betas, eps, maximize } = options;
        self.lr(lr).betas(betas).eps(eps).maximize(maximize)
    }

    /// Its own learning rate ([`AdamOptions::lr`](AdamOptions#structfield.lr)).
    pub fn lr(mut self, lr: f64) -> Self {
        self.lr = Some(lr);
        self
    }

    /// Its own decay rates ([`AdamOptions::betas`](AdamOptions#structfield.betas)).
    pub fn betas(mut self, betas: (f64, f64)) -> Self {
        self.betas = Some(betas);
        self
    }

    /// Its own epsilon ([`AdamOptions::eps`](AdamOptions#structfield.eps)).
    pub fn eps(mut self, eps: f64) -> Self {
        self.eps = Some(eps);
        self
    }

    /// Its own direction ([`AdamOptions::maximize`](AdamOptions#structfield.maximize)).
    pub fn maximize(mut self, maximize: bool) -> Self {
        self.maximize = Some(maximize);
        self
    }

    /// The group's hyperparameters, checked.
    pub(crate) fn resolved(&self, defaults: AdamOptions) -> Result<AdamOptions, Error> {
        let options = AdamOptions {
            lr: self.lr.unwrap_or(defaults.lr),
            betas: self.betas.unwrap_or(defaults.betas),
            eps: self.eps.unwrap_or(defaults.eps),
            maximize: self.maximize.unwrap_or(defaults.maximize),
        };
        options.validate()?;
        Ok(options)
    }
}

/// The lowest learning rate: what rounding may leave of one that ends at 0.
const ROUNDED_ZERO: f64 = -1e-12;

fn rate(field: &'static str, found: f64) -> Result<(), Error> {
    let expected = "a finite number (as f32) of at least 0";
    if found >= ROUNDED_ZERO && (found as f32).is_finite() {
        return Ok(());
    }
    Err(Error::InvalidOption { field, expected, found })
}

/// What is divided by must not vanish in f32, nor on devices that flush subnormal numbers.
fn divisor(field: &'static str, found: f64) -> Result<(), Error> {
    let expected = "a finite number (as f32) of at least 1.2e-38";
    let narrow = found as f32;
    if narrow >= f32::MIN_POSITIVE && narrow.is_finite() {
        return Ok(());
    }
    Err(Error::InvalidOption { field, expected, found })
}

fn decay(field: &'static str, found: f64) -> Result<(), Error> {
    if (0.0..1.0).contains(&found) {
        return Ok(());
    }
    Err(Error::InvalidOption { field, expected: "a number in [0, 1)", found })
}

/// Hyperparameters of a group of tables. Which tables are its members, the tables know.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub options: AdamOptions,
    /// Kept for torch's schedulers, where a loaded state has it.
    pub initial_lr: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_torchs_and_valid() {
        let options = AdamOptions::default();
        assert_eq!((options.lr, options.betas, options.eps), (1e-3, (0.9, 0.999), 1e-8));
        assert_eq!(options.validate(), Ok(()));
    }

    #[test]
    fn every_field_out_of_range_is_named() {
        let base = AdamOptions::default();
        let wrong = [
            ("lr", AdamOptions { lr: -1.0, ..base }),
            ("lr", AdamOptions { lr: -1e-11, ..base }),
            ("lr", AdamOptions { lr: f64::NAN, ..base }),
            ("lr", AdamOptions { lr: f64::INFINITY, ..base }),
            ("lr", AdamOptions { lr: 1e300, ..base }),
            ("eps", AdamOptions { eps: 0.0, ..base }),
            ("eps", AdamOptions { eps: f64::NAN, ..base }),
            ("eps", AdamOptions { eps: 1e-46, ..base }),
            ("eps", AdamOptions { eps: 1e-39, ..base }),
            ("eps", AdamOptions { eps: 1e39, ..base }),
            ("betas.0", AdamOptions { betas: (1.0, 0.999), ..base }),
            ("betas.0", AdamOptions { betas: (-0.1, 0.999), ..base }),
            ("betas.1", AdamOptions { betas: (0.9, 1.0), ..base }),
            ("betas.1", AdamOptions { betas: (0.9, f64::NAN), ..base }),
        ];
        for (expected, options) in wrong {
            let error = options.validate().unwrap_err();
            assert!(
                matches!(error, Error::InvalidOption { field, .. } if field == expected),
                "{options:?}: {error}"
            );
        }
    }

    #[test]
    fn a_groups_own_options_are_all_its_own() {
        let own = AdamOptions::new().lr(0.5).betas((0.1, 0.2)).eps(1e-3).maximize(true);
        let written = AdamOptions { lr: 0.5, betas: (0.1, 0.2), eps: 1e-3, maximize: true };
        assert_eq!(own, written);
        let resolved = |group: ParamGroup| group.resolved(AdamOptions::default());
        assert_eq!(resolved(ParamGroup::new([]).options(own)), Ok(own));
        assert_eq!(resolved(ParamGroup::new([]).options(own).lr(0.25)), Ok(own.lr(0.25)));
    }

    #[test]
    fn rates_that_schedules_end_with_are_valid() {
        // The last is where torch's LinearLR from 1e-3 to 0 ends, at worst, of 2,000 lengths.
        for lr in [0.0, -0.0, f64::from_bits(1), 1e-50, 1e-40, -1.582_067_810_090_839_5e-19] {
            let options = AdamOptions { lr, ..AdamOptions::default() };
            assert_eq!(options.validate(), Ok(()), "{lr:e}");
            assert!((options.step_size(1) as f32).abs() < 1e-18);
        }
    }

    #[test]
    fn the_ends_of_every_range_are_valid() {
        let base = AdamOptions::default();
        let ends = [
            AdamOptions { betas: (0.0, 0.0), ..base },
            AdamOptions { betas: (1.0 - f64::EPSILON, 1.0 - f64::EPSILON), ..base },
            AdamOptions { eps: f64::from(f32::MIN_POSITIVE), ..base },
        ];
        for options in ends {
            assert_eq!(options.validate(), Ok(()), "{options:?}");
            assert!(options.step_size(1).is_finite());
        }
    }

    #[test]
    fn the_first_step_size_is_the_formula() {
        let options = AdamOptions { lr: 0.04, ..AdamOptions::default() };
        let expected = 0.04 * 0.001f64.sqrt() / 0.1;
        assert!((options.step_size(1) - expected).abs() < 1e-12);
    }
}
