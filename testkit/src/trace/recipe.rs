//! What a trace does, as its file says it.

use super::Tolerance;
use crate::Stored;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use sparse_adam::{
    AdamOptions, BiasCorrection, CatchUp, Clip, ClipGradNorm, Epsilon, NormType, Reduction,
    SecondMoment, WeightDecay,
};
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

/// What a trace does: the JSON of its metadata key `trace`. An unknown key is an error: it may
/// ask for what is not done here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// 1.
    pub version: u32,
    /// Shape of each parameter.
    #[serde(deserialize_with = "unique")]
    pub params: BTreeMap<String, Vec<u32>>,
    /// The parameter groups.
    pub groups: Vec<GroupRecipe>,
    /// The steps, in order.
    pub steps: Vec<StepRecipe>,
    /// Steps (from 0) after which tensors are compared.
    pub expect: Vec<usize>,
    /// How close they must be.
    pub tolerance: Tolerance,
    /// Who recorded it, such as `torch 2.15.0 cpu`.
    #[serde(default)]
    pub source: String,
    /// Steps that parameters have counted before the first one; 0 for those that it does not name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "unique")]
    pub start_step: BTreeMap<String, u64>,
    /// The norm that gradients are clipped by in every step, where they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip_grad_norm: Option<ClipRecipe>,
    /// How parameters, their moments and the values of their gradients are stored; f32 those that it does not name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "unique")]
    pub formats: BTreeMap<String, Stored>,
}

/// A clip of all gradients of a step by their norm.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClipRecipe {
    max: f64,
    #[serde(default)]
    norm_type: NormKey,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
enum NormKey {
    #[serde(rename = "1")]
    One,
    #[default]
    #[serde(rename = "2")]
    Two,
    #[serde(rename = "inf")]
    Infinity,
}

impl From<ClipRecipe> for ClipGradNorm {
    fn from(recipe: ClipRecipe) -> Self {
        Self::new(recipe.max).norm_type(match recipe.norm_type {
            NormKey::One => NormType::One,
            NormKey::Two => NormType::Two,
            NormKey::Infinity => NormType::Infinity,
        })
    }
}

/// One parameter group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "GroupKeys", into = "GroupKeys")]
pub struct GroupRecipe {
    /// Its hyperparameters.
    pub options: AdamOptions,
    /// Its parameters.
    pub params: Vec<String>,
}

/// A group as it stands in the file, and no other key. What is absent is torch's SparseAdam's.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupKeys {
    lr: f64,
    betas: (f64, f64),
    eps: f64,
    #[serde(default)]
    maximize: bool,
    #[serde(default)]
    epsilon: Epsilon,
    #[serde(default)]
    bias_correction: BiasCorrection,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weight_decay: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    decay: Option<DecayKey>,
    #[serde(default)]
    amsgrad: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clip_entries: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clip_value: Option<f64>,
    #[serde(default = "one")]
    grad_scale: f64,
    #[serde(default)]
    second_moment: SecondMoment,
    #[serde(default)]
    catch_up: CatchUp,
    #[serde(default)]
    duplicates: Reduction,
    params: Vec<String>,
}

fn one() -> f64 {
    1.0
}

/// The kind of a weight decay.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum DecayKey {
    L2,
    Decoupled,
    Plain,
}

impl TryFrom<GroupKeys> for GroupRecipe {
    type Error = &'static str;

    fn try_from(keys: GroupKeys) -> Result<Self, Self::Error> {
        let weight_decay = match (keys.weight_decay, keys.decay) {
            (None | Some(0.0), _) => WeightDecay::None,
            (Some(amount), Some(DecayKey::L2)) => WeightDecay::L2(amount),
            (Some(amount), Some(DecayKey::Decoupled)) => WeightDecay::Decoupled(amount),
            (Some(amount), Some(DecayKey::Plain)) => WeightDecay::Plain(amount),
            (Some(_), None) => return Err("weight_decay without decay"),
        };
        let clip = match (keys.clip_entries, keys.clip_value) {
            (None, None) => Clip::None,
            (Some(limit), None) => Clip::Entries(limit),
            (None, Some(limit)) => Clip::Value(limit),
            (Some(_), Some(_)) => return Err("clip_entries and clip_value"),
        };
        let options = AdamOptions::new()
            .lr(keys.lr)
            .betas(keys.betas)
            .eps(keys.eps)
            .maximize(keys.maximize)
            .epsilon(keys.epsilon)
            .bias_correction(keys.bias_correction)
            .weight_decay(weight_decay)
            .amsgrad(keys.amsgrad)
            .clip(clip)
            .grad_scale(keys.grad_scale)
            .second_moment(keys.second_moment)
            .catch_up(keys.catch_up)
            .duplicates(keys.duplicates);
        Ok(Self { options, params: keys.params })
    }
}

impl From<GroupRecipe> for GroupKeys {
    fn from(GroupRecipe { options, params }: GroupRecipe) -> Self {
        let (weight_decay, decay) = match options.weight_decay {
            WeightDecay::L2(amount) => (Some(amount), Some(DecayKey::L2)),
            WeightDecay::Decoupled(amount) => (Some(amount), Some(DecayKey::Decoupled)),
            WeightDecay::Plain(amount) => (Some(amount), Some(DecayKey::Plain)),
            _ => (None, None),
        };
        let (clip_entries, clip_value) = match options.clip {
            Clip::Entries(limit) => (Some(limit), None),
            Clip::Value(limit) => (None, Some(limit)),
            _ => (None, None),
        };
        let AdamOptions { lr, betas, eps, maximize, epsilon, bias_correction, amsgrad, .. } =
            options;
        Self {
            lr,
            betas,
            eps,
            maximize,
            epsilon,
            bias_correction,
            weight_decay,
            decay,
            amsgrad,
            clip_entries,
            clip_value,
            grad_scale: options.grad_scale,
            second_moment: options.second_moment,
            catch_up: options.catch_up,
            duplicates: options.duplicates,
            params,
        }
    }
}

/// One step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepRecipe {
    /// Parameters that have a gradient in it.
    pub grads: Vec<String>,
    /// Hyperparameters changed before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<SetRecipe>,
}

/// A change of a group's hyperparameters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetRecipe {
    /// Number of the group.
    pub group: usize,
    /// New learning rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lr: Option<f64>,
    /// New decay rates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub betas: Option<(f64, f64)>,
    /// New epsilon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eps: Option<f64>,
    /// New direction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximize: Option<bool>,
}

impl SetRecipe {
    /// The group's hyperparameters with it.
    #[must_use]
    pub fn apply(&self, options: AdamOptions) -> AdamOptions {
        options
            .lr(self.lr.unwrap_or(options.lr))
            .betas(self.betas.unwrap_or(options.betas))
            .eps(self.eps.unwrap_or(options.eps))
            .maximize(self.maximize.unwrap_or(options.maximize))
    }
}

/// What is said of parameters whose names differ; serde's own map keeps the last of two.
fn unique<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    read: D,
) -> Result<BTreeMap<String, T>, D::Error> {
    read.deserialize_map(Unique(PhantomData))
}

struct Unique<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Unique<T> {
    type Value = BTreeMap<String, T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a map whose keys differ")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut unique = BTreeMap::new();
        while let Some((key, value)) = map.next_entry()? {
            if unique.insert(key, value).is_some() {
                return Err(A::Error::custom("a key twice"));
            }
        }
        Ok(unique)
    }
}
