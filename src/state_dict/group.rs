//! A group as it is written: flat, with torch's keys, and ours where they are not default.

use super::GroupState;
use crate::{
    AdamOptions, BiasCorrection, CatchUp, Clip, Epsilon, Reduction, SecondMoment, WeightDecay,
    serde_with,
};
use serde::{Deserialize, Serialize};

/// The keys of a group, and no other. Those of torch's SparseAdam are always written, so that it reads a
/// group with the default rule.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    #[serde(serialize_with = "serde_with::finite")]
    lr: f64,
    #[serde(serialize_with = "serde_with::finite")]
    betas: (f64, f64),
    #[serde(serialize_with = "serde_with::finite")]
    eps: f64,
    // Checkpoints of torch before 1.13 have none.
    #[serde(default)]
    maximize: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(serialize_with = "serde_with::finite")]
    weight_decay: Option<f64>,
    #[serde(default, skip_serializing_if = "is_false")]
    decoupled_weight_decay: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    plain_weight_decay: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    amsgrad: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    epsilon: Option<Epsilon>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bias_correction: Option<BiasCorrection>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(serialize_with = "serde_with::finite")]
    clip_entries: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(serialize_with = "serde_with::finite")]
    clip_value: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(serialize_with = "serde_with::finite")]
    grad_scale: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    second_moment: Option<SecondMoment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    catch_up: Option<CatchUp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    duplicates: Option<Reduction>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(serialize_with = "serde_with::finite")]
    initial_lr: Option<f64>,
    params: Vec<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    param_names: Option<Vec<String>>,
}

fn is_false(held: &bool) -> bool {
    !held
}

/// None for what is default, which is not written.
fn unless_default<T: Default + PartialEq>(held: T) -> Option<T> {
    (held != T::default()).then_some(held)
}

impl Fields {
    fn decay(&self) -> Result<WeightDecay, &'static str> {
        let amount = self.weight_decay.filter(|&amount| amount != 0.0);
        match (amount, self.decoupled_weight_decay, self.plain_weight_decay) {
            (_, true, true) => Err("weight decay that is decoupled and plain"),
            (None, ..) => Ok(WeightDecay::None),
            (Some(amount), false, false) => Ok(WeightDecay::L2(amount)),
            (Some(amount), true, false) => Ok(WeightDecay::Decoupled(amount)),
            (Some(amount), false, true) => Ok(WeightDecay::Plain(amount)),
        }
    }

    fn clip(&self) -> Result<Clip, &'static str> {
        match (self.clip_entries, self.clip_value) {
            (None, None) => Ok(Clip::None),
            (Some(limit), None) => Ok(Clip::Entries(limit)),
            (None, Some(limit)) => Ok(Clip::Value(limit)),
            (Some(_), Some(_)) => Err("clip_entries and clip_value"),
        }
    }
}

impl TryFrom<Fields> for GroupState {
    type Error = &'static str;

    fn try_from(fields: Fields) -> Result<Self, Self::Error> {
        let options = AdamOptions::new()
            .lr(fields.lr)
            .betas(fields.betas)
            .eps(fields.eps)
            .maximize(fields.maximize)
            .epsilon(fields.epsilon.unwrap_or_default())
            .bias_correction(fields.bias_correction.unwrap_or_default())
            .weight_decay(fields.decay()?)
            .amsgrad(fields.amsgrad)
            .clip(fields.clip()?)
            .grad_scale(fields.grad_scale.unwrap_or(1.0))
            .second_moment(fields.second_moment.unwrap_or_default())
            .catch_up(fields.catch_up.unwrap_or_default())
            .duplicates(fields.duplicates.unwrap_or_default());
        let Fields { initial_lr, params, param_names, .. } = fields;
        Ok(Self { options, initial_lr, params, param_names })
    }
}

impl From<GroupState> for Fields {
    fn from(group: GroupState) -> Self {
        let GroupState { options, initial_lr, params, param_names } = group;
        let (decay, clip) = (options.weight_decay, options.clip);
        let limit = |holds: bool| clip.limit().filter(|_| holds);
        Self {
            lr: options.lr,
            betas: options.betas,
            eps: options.eps,
            maximize: options.maximize,
            weight_decay: (decay != WeightDecay::None).then_some(decay.amount()),
            decoupled_weight_decay: matches!(decay, WeightDecay::Decoupled(_)),
            plain_weight_decay: matches!(decay, WeightDecay::Plain(_)),
            amsgrad: options.amsgrad,
            epsilon: unless_default(options.epsilon),
            bias_correction: unless_default(options.bias_correction),
            clip_entries: limit(matches!(clip, Clip::Entries(_))),
            clip_value: limit(matches!(clip, Clip::Value(_))),
            grad_scale: Some(options.grad_scale).filter(|&scale| scale != 1.0),
            second_moment: unless_default(options.second_moment),
            catch_up: unless_default(options.catch_up),
            duplicates: unless_default(options.duplicates),
            initial_lr,
            params,
            param_names,
        }
    }
}
