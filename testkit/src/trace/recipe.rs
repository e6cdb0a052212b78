//! What a trace does, as its file says it.

use super::Tolerance;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use sparse_adam::AdamOptions;
use std::collections::BTreeMap;
use std::fmt;

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
}

/// One parameter group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "GroupKeys")]
pub struct GroupRecipe {
    /// Its hyperparameters.
    #[serde(flatten)]
    pub options: AdamOptions,
    /// Its parameters.
    pub params: Vec<String>,
}

/// A group as it stands in the file, and no other key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupKeys {
    lr: f64,
    betas: (f64, f64),
    eps: f64,
    #[serde(default)]
    maximize: bool,
    params: Vec<String>,
}

impl From<GroupKeys> for GroupRecipe {
    fn from(keys: GroupKeys) -> Self {
        let GroupKeys { lr, betas, eps, maximize, params } = keys;
        let options = AdamOptions::new().lr(lr).betas(betas).eps(eps).maximize(maximize);
        Self { options, params }
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
    pub(super) fn apply(&self, options: AdamOptions) -> AdamOptions {
        options
            .lr(self.lr.unwrap_or(options.lr))
            .betas(self.betas.unwrap_or(options.betas))
            .eps(self.eps.unwrap_or(options.eps))
            .maximize(self.maximize.unwrap_or(options.maximize))
    }
}

/// Shapes of parameters whose names differ; serde's own map keeps the last of two.
fn unique<'de, D: Deserializer<'de>>(read: D) -> Result<BTreeMap<String, Vec<u32>>, D::Error> {
    read.deserialize_map(Unique)
}

struct Unique;

impl<'de> Visitor<'de> for Unique {
    type Value = BTreeMap<String, Vec<u32>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a map whose keys differ")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut unique = BTreeMap::new();
        while let Some((key, shape)) = map.next_entry()? {
            if unique.insert(key, shape).is_some() {
                return Err(A::Error::custom("a key twice"));
            }
        }
        Ok(unique)
    }
}
