//! Hyperparameters of a parameter group.

mod checks;
mod choices;
mod group;
mod presets;

pub use choices::{BiasCorrection, CatchUp, Clip, Epsilon, Reduction, SecondMoment, WeightDecay};
pub(crate) use group::Group;
pub use group::ParamGroup;

use crate::power::power;
use crate::serde_with;

/// Hyperparameters of a lazy Adam; the defaults are PyTorch's SparseAdam.
///
/// By default `eps` is added to the root of the *uncorrected* second moment, as torch's SparseAdam does
/// (`torch/optim/_functional.py`); Adam in the paper (Kingma and Ba 2015, algorithm 1), FBGEMM
/// and burn add it to the corrected one: [`Epsilon`]. Other optimizers' rules have names of their own, such as
/// [`AdamOptions::torch_adamw`].
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
    /// Which root of the second moment `eps` is added to. Default [`Epsilon::Raw`].
    #[serde(default)]
    pub epsilon: Epsilon,
    /// What corrects the moments for their start at zero. From and to [`BiasCorrection::Row`] it cannot be changed
    /// once a group has parameters. Default [`BiasCorrection::Step`].
    #[serde(default)]
    pub bias_correction: BiasCorrection,
    /// What draws the rows that a step names to zero. Default [`WeightDecay::None`].
    #[serde(default)]
    pub weight_decay: WeightDecay,
    /// Divides by the largest second moment so far, the maximum of uncorrected ones, as
    /// `torch.optim.Adam` does (Reddi, Kale and Kumar 2018). A third state, `max_exp_avg_sq`, 4 bytes per
    /// value. It cannot be changed once a group has parameters. Default false.
    #[serde(default)]
    pub amsgrad: bool,
    /// What of the gradient is cut off. Default [`Clip::None`].
    #[serde(default)]
    pub clip: Clip,
    /// Multiplies the gradient, before it is clipped: 1 / the batch's size, or 1 / a loss scale; finite and not
    /// negative. Default 1.
    #[serde(default = "one")]
    #[serde(serialize_with = "serde_with::finite")]
    pub grad_scale: f64,
    /// What has a second moment of its own. It cannot be changed once a group has parameters. Default
    /// [`SecondMoment::Element`].
    #[serde(default)]
    pub second_moment: SecondMoment,
    /// What becomes of the steps that did not name a row. It cannot be changed once a group has parameters. Rows
    /// are behind in between: [`SparseAdam::flush`](crate::SparseAdam::flush). Default [`CatchUp::Never`].
    #[serde(default)]
    pub catch_up: CatchUp,
    /// What the entries of a row that is named several times add up to. Default [`Reduction::Sum`].
    #[serde(default)]
    pub duplicates: Reduction,
}

const fn one() -> f64 {
    1.0
}

impl Default for AdamOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// Methods that set a field, of the options and of a group of parameters.
macro_rules! settings {
    ($($(#[$doc:meta])* $field:ident, $setting:ident: $kind:ty;)*) => {
        impl AdamOptions {
            $(
                $(#[$doc])*
                #[must_use]
                pub const fn $field(self, $field: $kind) -> Self {
                    Self { $field, ..self }
                }
            )*
        }

        impl ParamGroup {
            $(
                $(#[$doc])*
                pub fn $field(self, $field: $kind) -> Self {
                    self.with(Setting::$setting($field))
                }
            )*
        }

        /// One hyperparameter of a group's own.
        #[derive(Clone, Copy, Debug)]
        enum Setting {
            $($setting($kind)),*
        }

        impl Setting {
            fn apply(self, options: AdamOptions) -> AdamOptions {
                match self {
                    $(Self::$setting(value) => options.$field(value)),*
                }
            }
        }
    };
}

settings! {
    /// With another learning rate ([`AdamOptions::lr`](AdamOptions#structfield.lr)).
    lr, Lr: f64;
    /// With other decay rates ([`AdamOptions::betas`](AdamOptions#structfield.betas)).
    betas, Betas: (f64, f64);
    /// With another epsilon ([`AdamOptions::eps`](AdamOptions#structfield.eps)).
    eps, Eps: f64;
    /// In another direction ([`AdamOptions::maximize`](AdamOptions#structfield.maximize)).
    maximize, Maximize: bool;
    /// With epsilon elsewhere ([`AdamOptions::epsilon`](AdamOptions#structfield.epsilon)).
    epsilon, Epsilon: Epsilon;
    /// With another bias correction ([`AdamOptions::bias_correction`](AdamOptions#structfield.bias_correction)).
    bias_correction, BiasCorrection: BiasCorrection;
    /// With weight decay ([`AdamOptions::weight_decay`](AdamOptions#structfield.weight_decay)).
    weight_decay, WeightDecay: WeightDecay;
    /// With the largest second moment ([`AdamOptions::amsgrad`](AdamOptions#structfield.amsgrad)).
    amsgrad, Amsgrad: bool;
    /// With clipped gradients ([`AdamOptions::clip`](AdamOptions#structfield.clip)).
    clip, Clip: Clip;
    /// With scaled gradients ([`AdamOptions::grad_scale`](AdamOptions#structfield.grad_scale)).
    grad_scale, GradScale: f64;
    /// With second moments of values or rows ([`AdamOptions::second_moment`](AdamOptions#structfield.second_moment)).
    second_moment, SecondMoment: SecondMoment;
    /// With missed steps made up for ([`AdamOptions::catch_up`](AdamOptions#structfield.catch_up)).
    catch_up, CatchUp: CatchUp;
    /// With sums or means of repeated rows ([`AdamOptions::duplicates`](AdamOptions#structfield.duplicates)).
    duplicates, Duplicates: Reduction;
}

impl AdamOptions {
    /// torch's SparseAdam with its defaults, where a constant is needed; else [`AdamOptions::default`].
    #[must_use]
    pub const fn new() -> Self {
        Self {
            lr: 1e-3,
            betas: (0.9, 0.999),
            eps: 1e-8,
            maximize: false,
            epsilon: Epsilon::Raw,
            bias_correction: BiasCorrection::Step,
            weight_decay: WeightDecay::None,
            amsgrad: false,
            clip: Clip::None,
            grad_scale: 1.0,
            second_moment: SecondMoment::Element,
            catch_up: CatchUp::Never,
            duplicates: Reduction::Sum,
        }
    }

    /// `1 - beta1^t` and `1 - beta2^t` at step count `step` (from 1), in f64; 1 where nothing is corrected.
    pub(crate) fn corrections(&self, step: u64) -> (f64, f64) {
        match self.bias_correction {
            BiasCorrection::Step => {
                (1.0 - power(self.betas.0, step), 1.0 - power(self.betas.1, step))
            }
            // Of a row it is the GPU's to correct.
            BiasCorrection::Row | BiasCorrection::None => (1.0, 1.0),
        }
    }

    /// At step count `step` (from 1), in f64: `lr * sqrt(1 - beta2^t) / (1 - beta1^t)`, and what is added to
    /// the root of the uncorrected second moment. An `eps` on the corrected one is
    /// `eps * sqrt(1 - beta2^t)` there, which must not vanish in f32 either.
    pub(crate) fn step_size_and_eps(&self, step: u64) -> (f64, f64) {
        let (correction1, correction2) = self.corrections(step);
        let root = correction2.sqrt();
        let eps = match self.epsilon {
            Epsilon::Raw => self.eps,
            Epsilon::Corrected => (self.eps * root).max(f32::MIN_POSITIVE.into()),
        };
        (self.lr * root / correction1, eps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

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
        let written = AdamOptions {
            lr: 0.5,
            betas: (0.1, 0.2),
            eps: 1e-3,
            maximize: true,
            ..AdamOptions::new()
        };
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
            assert!((options.step_size_and_eps(1).0 as f32).abs() < 1e-18);
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
            assert!(options.step_size_and_eps(1).0.is_finite());
            let (_, eps) = options.epsilon(Epsilon::Corrected).step_size_and_eps(1);
            assert!((eps as f32).is_normal(), "{options:?}: nothing keeps 0 / 0 away");
        }
    }

    #[test]
    fn the_first_step_size_is_the_formula() {
        let options = AdamOptions { lr: 0.04, ..AdamOptions::default() };
        let expected = 0.04 * 0.001f64.sqrt() / 0.1;
        assert!((options.step_size_and_eps(1).0 - expected).abs() < 1e-12);
    }
}
