//! Reading a trace file.

use super::Tolerance;
use crate::tensor_file::{Dtype, Fault, TensorFile, invalid};
use crate::{AdamOptions, Error, serde_with};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Cursor;

/// What a trace does: the JSON of its metadata key `trace`. An unknown key is an error: it may
/// ask for what is not done here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// 1.
    pub version: u32,
    /// Shape of each parameter.
    #[serde(deserialize_with = "serde_with::unique")]
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

/// A trace: what went into an optimizer, and what came out.
#[derive(Clone, Debug)]
pub struct Trace {
    /// What it does.
    pub recipe: Recipe,
    floats: BTreeMap<String, Vec<f32>>,
    indices: BTreeMap<String, Vec<i64>>,
}

impl Trace {
    /// Reads a trace from the bytes of its file.
    ///
    /// # Errors
    /// [`Error::InvalidFile`] naming what is missing or malformed.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        read(bytes).map_err(|fault| fault.reading("trace", None))
    }

    /// The recipe makes sense, and the tensors are those that it needs.
    fn check(&self) -> Result<(), Fault> {
        for (name, shape) in &self.recipe.params {
            let axes = shape.iter();
            let values =
                axes.copied().try_fold(1usize, |values, axis| values.checked_mul(axis as usize));
            let initial = self.floats.get(&format!("initial/{name}")).map(Vec::len);
            if shape.is_empty() || initial == Some(0) || initial.is_none() || values != initial {
                let reason = format!("its initial values do not fill {shape:?}");
                return Err(invalid(name, reason));
            }
        }
        self.check_groups()?;
        for (k, step) in self.recipe.steps.iter().enumerate() {
            self.check_step(k, step)?;
        }
        match self.recipe.expect.iter().find(|&&k| k >= self.recipe.steps.len()) {
            None => Ok(()),
            Some(k) => {
                Err(invalid("expect", format_args!("step {k} of {}", self.recipe.steps.len())))
            }
        }
    }

    /// Each parameter is in one group, and each group has parameters.
    fn check_groups(&self) -> Result<(), Fault> {
        let mut grouped = BTreeMap::new();
        for (number, group) in self.recipe.groups.iter().enumerate() {
            let wrong = |reason: &str| invalid(format_args!("group {number}"), reason);
            if group.params.is_empty() {
                return Err(wrong("it has no parameters"));
            }
            for name in &group.params {
                if !self.recipe.params.contains_key(name) {
                    return Err(wrong("it names a parameter that the trace does not have"));
                }
                if grouped.insert(name, number).is_some() {
                    return Err(invalid(name, "in the groups twice; name it in one group, once"));
                }
            }
        }
        match self.recipe.params.keys().find(|name| !grouped.contains_key(name)) {
            None => Ok(()),
            Some(name) => Err(invalid(name, "in no group; name it in one")),
        }
    }

    /// Indices and values of each gradient fit each other and their parameter.
    fn check_step(&self, k: usize, step: &StepRecipe) -> Result<(), Fault> {
        let wrong = |name: &str, reason: &str| invalid(name, format_args!("step {k}: {reason}"));
        for (number, name) in step.grads.iter().enumerate() {
            if !self.recipe.params.contains_key(name) {
                return Err(wrong(name, "a gradient of a parameter that the trace does not have"));
            }
            if step.grads[..number].contains(name) {
                return Err(wrong(name, "two gradients; a step takes one"));
            }
            let indices = self.indices.get(&format!("step/{k}/{name}/indices"));
            let values = self.floats.get(&format!("step/{k}/{name}/values"));
            let (Some(indices), Some(values)) = (indices, values) else {
                return Err(wrong(name, "its indices or values are missing"));
            };
            let fits = indices.len().checked_mul(self.dim(name)) == Some(values.len());
            if !fits || u32::try_from(indices.len()).is_err() {
                return Err(wrong(name, "indices and values differ in length"));
            }
        }
        match step.set.iter().find(|set| set.group >= self.recipe.groups.len()) {
            None => Ok(()),
            Some(set) => Err(wrong("set", &format!("no group {}", set.group))),
        }
    }

    /// Values of a parameter before the first step.
    ///
    /// # Errors
    /// [`Error::InvalidFile`] where the file has none.
    pub fn initial(&self, param: &str) -> Result<&[f32], Error> {
        self.float(&format!("initial/{param}"))
    }

    /// Indices `[nnz]` and values `[nnz, dim]` of a parameter's gradient in step `k`.
    ///
    /// # Errors
    /// [`Error::InvalidFile`] where the file has none.
    pub fn grad(&self, k: usize, param: &str) -> Result<(&[i64], &[f32]), Error> {
        let name = format!("step/{k}/{param}/indices");
        let indices = self.indices.get(&name);
        let indices = indices.ok_or_else(|| missing(&name))?;
        Ok((indices, self.float(&format!("step/{k}/{param}/values"))?))
    }

    /// What `tensor` (`param`, `exp_avg` or `exp_avg_sq`) should be after step `k`, if known.
    pub fn expected(&self, k: usize, param: &str, tensor: &str) -> Option<&[f32]> {
        self.floats.get(&format!("expected/{k}/{param}/{tensor}")).map(Vec::as_slice)
    }

    /// Values per row of a parameter of the trace.
    pub(super) fn dim(&self, param: &str) -> usize {
        let shape = self.recipe.params.get(param);
        let columns = shape.and_then(|shape| shape.get(1..)).unwrap_or(&[]);
        columns.iter().map(|&axis| axis as usize).product()
    }

    fn float(&self, name: &str) -> Result<&[f32], Error> {
        let values = self.floats.get(name).map(Vec::as_slice);
        values.ok_or_else(|| missing(name))
    }
}

pub(super) fn missing(name: &str) -> Error {
    invalid(name, "missing").reading("trace", None)
}

fn read(bytes: &[u8]) -> Result<Trace, Fault> {
    let mut file = TensorFile::open(Cursor::new(bytes))?;
    let json = file.header.metadata.get("trace");
    let json = json.ok_or_else(|| invalid("metadata", "no key `trace`"))?;
    file.budget.take_json("metadata `trace`", json)?;
    let recipe: Recipe =
        serde_json::from_str(json).map_err(|error| invalid("metadata `trace`", error))?;
    if recipe.version != 1 {
        let reason = format!("version {}, not 1", recipe.version);
        return Err(invalid("metadata `trace`", reason));
    }
    let mut trace = Trace { recipe, floats: BTreeMap::new(), indices: BTreeMap::new() };
    let types: Vec<_> =
        file.header.types().map(|(name, dtype)| (name.to_string(), dtype)).collect();
    for (name, dtype) in types {
        match dtype {
            Dtype::F32 => {
                let values = file.values(&name, dtype)?.1;
                trace.floats.insert(name, values);
            }
            Dtype::I64 => {
                let values = file.values(&name, dtype)?.1;
                trace.indices.insert(name, values);
            }
            Dtype::Other => return Err(invalid(&name, "of a type that is neither F32 nor I64")),
        }
    }
    trace.check()?;
    Ok(trace)
}
