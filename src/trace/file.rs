//! Reading a trace file.

use super::Tolerance;
use crate::{AdamOptions, Error};
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a trace does: the JSON of its metadata key `trace`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// 1.
    pub version: u32,
    /// Shape of each parameter.
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
pub struct GroupRecipe {
    /// Its hyperparameters.
    #[serde(flatten)]
    pub options: AdamOptions,
    /// Its parameters.
    pub params: Vec<String>,
}

/// One step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
        AdamOptions {
            lr: self.lr.unwrap_or(options.lr),
            betas: self.betas.unwrap_or(options.betas),
            eps: self.eps.unwrap_or(options.eps),
            maximize: self.maximize.unwrap_or(options.maximize),
        }
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
        let tensors = SafeTensors::deserialize(bytes)
            .map_err(|error| invalid("safetensors", error.to_string()))?;
        let recipe = recipe(bytes)?;
        let mut trace = Self { recipe, floats: BTreeMap::new(), indices: BTreeMap::new() };
        for (name, view) in tensors.tensors() {
            match view.dtype() {
                Dtype::F32 => {
                    let values = bytemuck::pod_collect_to_vec(view.data());
                    trace.floats.insert(name, values);
                }
                Dtype::I64 => {
                    let values = bytemuck::pod_collect_to_vec(view.data());
                    trace.indices.insert(name, values);
                }
                other => return Err(invalid(&name, format!("{other:?} is neither F32 nor I64"))),
            }
        }
        trace.check()?;
        Ok(trace)
    }

    /// Every step's indices and values fit each other and their parameter.
    fn check(&self) -> Result<(), Error> {
        for (name, shape) in &self.recipe.params {
            let values = shape.iter().map(|&axis| axis as usize).product::<usize>();
            if shape.is_empty() || values == 0 || self.initial(name)?.len() != values {
                return Err(invalid(name, format!("its initial values do not fill {shape:?}")));
            }
        }
        for (k, step) in self.recipe.steps.iter().enumerate() {
            for name in &step.grads {
                let (indices, values) = self.grad(k, name)?;
                if indices.len() * self.dim(name)? != values.len() {
                    return Err(invalid(name, format!("step {k}: indices and values differ")));
                }
            }
            if step.set.iter().any(|set| set.group >= self.recipe.groups.len()) {
                return Err(invalid("set", format!("step {k}: no such group")));
            }
        }
        Ok(())
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
        let indices = indices.ok_or_else(|| invalid(&name, "missing".into()))?;
        Ok((indices, self.float(&format!("step/{k}/{param}/values"))?))
    }

    /// What `tensor` (`param`, `exp_avg` or `exp_avg_sq`) should be after step `k`, if known.
    pub fn expected(&self, k: usize, param: &str, tensor: &str) -> Option<&[f32]> {
        self.floats.get(&format!("expected/{k}/{param}/{tensor}")).map(Vec::as_slice)
    }

    /// Values a row of a parameter.
    pub(super) fn dim(&self, param: &str) -> Result<usize, Error> {
        let shape = self.recipe.params.get(param);
        let shape = shape.ok_or_else(|| invalid(param, "no such parameter".into()))?;
        Ok(shape[1..].iter().map(|&axis| axis as usize).product())
    }

    fn float(&self, name: &str) -> Result<&[f32], Error> {
        let values = self.floats.get(name).map(Vec::as_slice);
        values.ok_or_else(|| invalid(name, "missing".into()))
    }
}

fn recipe(bytes: &[u8]) -> Result<Recipe, Error> {
    let (_, header) = SafeTensors::read_metadata(bytes)
        .map_err(|error| invalid("safetensors", error.to_string()))?;
    let json = header.metadata().as_ref().and_then(|metadata| metadata.get("trace"));
    let json = json.ok_or_else(|| invalid("metadata", "no key `trace`".into()))?;
    let recipe: Recipe = serde_json::from_str(json)
        .map_err(|error| invalid("metadata `trace`", error.to_string()))?;
    if recipe.version != 1 {
        return Err(invalid("metadata `trace`", format!("version {}, not 1", recipe.version)));
    }
    Ok(recipe)
}

fn invalid(what: &str, reason: String) -> Error {
    Error::InvalidFile { what: format!("trace: {what}"), reason }
}
