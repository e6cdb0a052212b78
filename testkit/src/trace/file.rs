//! Reading a trace file.

use super::formats;
use super::recipe::{Recipe, StepRecipe};
use safetensors::{Dtype, SafeTensors};
use sparse_adam::{ClipGradNorm, Error};
use std::collections::BTreeMap;
use std::fmt::Display;

/// Most steps that an optimizer counts.
const MOST_STEPS: u64 = 1 << 53;

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
        read(bytes)
    }

    /// The recipe makes sense, and the tensors are those that it needs.
    fn check(&self) -> Result<(), Error> {
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
        self.check_start()?;
        for (k, step) in self.recipe.steps.iter().enumerate() {
            self.check_step(k, step)?;
        }
        formats::check(self)?;
        match self.recipe.expect.iter().find(|&&k| k >= self.recipe.steps.len()) {
            None => Ok(()),
            Some(k) => {
                Err(invalid("expect", format_args!("step {k} of {}", self.recipe.steps.len())))
            }
        }
    }

    /// Each parameter is in one group, and each group has parameters.
    fn check_groups(&self) -> Result<(), Error> {
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

    /// Step counts are of parameters, and such as an optimizer takes; and so is a norm.
    fn check_start(&self) -> Result<(), Error> {
        if let Some(clip) = self.recipe.clip_grad_norm {
            ClipGradNorm::from(clip).validate()?;
        }
        for (name, &steps) in &self.recipe.start_step {
            if !self.recipe.params.contains_key(name) {
                return Err(invalid("start_step", "of a parameter that the trace does not have"));
            }
            if steps > MOST_STEPS {
                return Err(invalid("start_step", format_args!("{steps}, at most 2^53")));
            }
        }
        Ok(())
    }

    /// Indices and values of each gradient fit each other and their parameter.
    fn check_step(&self, k: usize, step: &StepRecipe) -> Result<(), Error> {
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

    /// What `tensor` (`param`, `exp_avg`, `exp_avg_sq` or `max_exp_avg_sq`) should be after step `k`, if known.
    pub fn expected(&self, k: usize, param: &str, tensor: &str) -> Option<&[f32]> {
        self.floats.get(&format!("expected/{k}/{param}/{tensor}")).map(Vec::as_slice)
    }

    /// Whether nobody knows what `tensor` of a parameter should be after step `k`: the parameter has a state, and the file tells
    /// that tensor of no parameter, as peers do that show their weights alone. Where it tells one, a parameter
    /// without has none.
    pub(super) fn leaves_open(&self, k: usize, param: &str, tensor: &str) -> bool {
        match tensor {
            "param" => false,
            // Whether there is one depends on the options.
            "max_exp_avg_sq" => !self.tells(tensor),
            _ => !self.tells(tensor) && self.has_stepped(k, param),
        }
    }

    /// Whether the file says what `tensor` should be, of any parameter after any step.
    fn tells(&self, tensor: &str) -> bool {
        let params = self.recipe.params.keys();
        let mut expected =
            params.flat_map(|name| self.recipe.expect.iter().map(move |&k| (k, name)));
        expected.any(|(k, name)| self.expected(k, name, tensor).is_some())
    }

    /// Whether a parameter has had a gradient by the end of step `k`, or counted steps before the first one.
    fn has_stepped(&self, k: usize, param: &str) -> bool {
        let mut steps = self.recipe.steps.iter().take(k + 1);
        self.recipe.start_step.get(param).is_some_and(|&steps| steps > 0)
            || steps.any(|step| step.grads.iter().any(|name| name == param))
    }

    /// Values per row of a parameter of the trace.
    pub fn dim(&self, param: &str) -> usize {
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
    invalid(name, "missing")
}

/// The error of the part `what` of a trace.
pub(super) fn invalid(what: impl Display, reason: impl Display) -> Error {
    let reason = format!("{reason}; nothing was loaded");
    Error::InvalidFile { what: format!("trace: {what}"), reason }
}

fn read(bytes: &[u8]) -> Result<Trace, Error> {
    let header = |error| invalid("header", error);
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(header)?;
    let json = metadata.metadata().as_ref().and_then(|metadata| metadata.get("trace"));
    let json = json.ok_or_else(|| invalid("metadata", "no key `trace`"))?;
    let recipe: Recipe =
        serde_json::from_str(json).map_err(|error| invalid("metadata `trace`", error))?;
    if recipe.version != 1 {
        let reason = format!("version {}, not 1", recipe.version);
        return Err(invalid("metadata `trace`", reason));
    }
    let mut trace = Trace { recipe, floats: BTreeMap::new(), indices: BTreeMap::new() };
    for (name, tensor) in SafeTensors::deserialize(bytes).map_err(header)?.iter() {
        let (name, data) = (name.to_string(), tensor.data());
        match tensor.dtype() {
            Dtype::F32 => {
                trace.floats.insert(name, bytemuck::pod_collect_to_vec(data));
            }
            Dtype::I64 => {
                trace.indices.insert(name, bytemuck::pod_collect_to_vec(data));
            }
            _ => return Err(invalid(name, "of a type that is neither F32 nor I64")),
        }
    }
    trace.check()?;
    Ok(trace)
}
