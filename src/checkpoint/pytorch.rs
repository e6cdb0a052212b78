//! What `torch.save(optimizer.state_dict(), path)` wrote.

use super::{invalid, io, shape};
use crate::{AdamOptions, Error, GroupState, ParamState, StateDict};
use pytorch_reader::{DType, PickleValue, PytorchError, PytorchReader, Tensor};
use std::collections::HashMap;
use std::path::Path;

type Tensors = HashMap<String, Tensor>;
type Dict = HashMap<String, PickleValue>;

impl StateDict {
    /// Loads the state of a `torch.optim.SparseAdam` that `torch.save` wrote, also of older
    /// versions: without `maximize`, or with `step` as a tensor. The pickle is parsed, never
    /// run; a class that it names is refused.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::InvalidFile`] naming what is wrong.
    pub fn load_pytorch(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let refused = |error: PytorchError| match error {
            PytorchError::Io(error) => io(path, error),
            error => invalid("file", error),
        };
        let pickle = PytorchReader::read_pickle_data(path, None).map_err(refused)?;
        let tensors = PytorchReader::new(path).map_err(refused)?.into_tensors();
        let root = dict("the pickle", &pickle)?;
        let mut loaded = Self::default();
        for (number, state) in dict("state", field(root, "state")?)? {
            let what = format!("state.{number}");
            let number = number.parse().map_err(|error| invalid(&what, error))?;
            loaded.state.insert(number, param_state(&what, dict(&what, state)?, &tensors)?);
        }
        for (number, group) in
            list("param_groups", field(root, "param_groups")?)?.iter().enumerate()
        {
            let what = format!("param_groups.{number}");
            loaded.param_groups.push(group_state(&what, dict(&what, group)?)?);
        }
        Ok(loaded)
    }
}

fn param_state(what: &str, state: &Dict, tensors: &Tensors) -> Result<ParamState, Error> {
    only(what, state, &["step", "exp_avg", "exp_avg_sq"])?;
    let (shape, exp_avg) = moment(&format!("{what}.exp_avg"), tensors)?;
    let (other, exp_avg_sq) = moment(&format!("{what}.exp_avg_sq"), tensors)?;
    if shape != other {
        return Err(invalid(what, "its moments differ in shape"));
    }
    Ok(ParamState { step: step(what, state, tensors)?, shape, exp_avg, exp_avg_sq })
}

/// An int, or a tensor of no axes.
fn step(what: &str, state: &Dict, tensors: &Tensors) -> Result<u64, Error> {
    let what = format!("{what}.step");
    let number = match (field(state, "step")?, tensors.get(&what)) {
        (PickleValue::Int(step), _) => *step as f64,
        (_, Some(tensor)) if tensor.num_elements() == 1 => scalar(&what, tensor)?,
        (other, _) => return Err(invalid(&what, format!("{other:?} is not a number"))),
    };
    if number < 0.0 || number.fract() != 0.0 || number > 2f64.powi(53) {
        return Err(invalid(&what, format!("{number} is not a count")));
    }
    Ok(number as u64)
}

fn scalar(what: &str, tensor: &Tensor) -> Result<f64, Error> {
    let bytes = tensor.read().map_err(|error| invalid(what, error))?;
    match (tensor.dtype(), bytes.len()) {
        (DType::F32, 4) => Ok(f64::from(bytemuck::pod_read_unaligned::<f32>(&bytes))),
        (DType::F64, 8) => Ok(bytemuck::pod_read_unaligned(&bytes)),
        (DType::I64, 8) => Ok(bytemuck::pod_read_unaligned::<i64>(&bytes) as f64),
        (DType::I32, 4) => Ok(f64::from(bytemuck::pod_read_unaligned::<i32>(&bytes))),
        (other, _) => Err(invalid(what, format!("{other:?} is not a number"))),
    }
}

fn moment(what: &str, tensors: &Tensors) -> Result<(Vec<u32>, Vec<f32>), Error> {
    let tensor = tensors.get(what).ok_or_else(|| invalid(what, "not a tensor, or missing"))?;
    if tensor.dtype() != DType::F32 {
        return Err(invalid(what, format!("{:?}, expected float32", tensor.dtype())));
    }
    let bytes = tensor.read().map_err(|error| invalid(what, error))?;
    Ok((shape(what, tensor.shape())?, bytemuck::pod_collect_to_vec(&bytes)))
}

fn group_state(what: &str, group: &Dict) -> Result<GroupState, Error> {
    let known = ["lr", "betas", "eps", "maximize", "initial_lr", "params", "param_names"];
    only(what, group, &known)?;
    let betas = match list(what, field(group, "betas")?)? {
        [beta1, beta2] => (number(what, beta1)?, number(what, beta2)?),
        other => return Err(invalid(what, format!("{} betas, not 2", other.len()))),
    };
    let maximize = match group.get("maximize") {
        None => false,
        Some(PickleValue::Bool(maximize)) => *maximize,
        Some(other) => return Err(invalid(what, format!("maximize is {other:?}"))),
    };
    let options = AdamOptions {
        lr: number(what, field(group, "lr")?)?,
        betas,
        eps: number(what, field(group, "eps")?)?,
        maximize,
    };
    let params = list(what, field(group, "params")?)?.iter().map(|param| match param {
        PickleValue::Int(number) if *number >= 0 => Ok(*number as usize),
        other => Err(invalid(what, format!("{other:?} is not a parameter's number"))),
    });
    let names = group.get("param_names").map(|names| names_of(what, names)).transpose()?;
    let initial_lr = group.get("initial_lr").map(|lr| number(what, lr)).transpose()?;
    let state = GroupState::new(options, params.collect::<Result<_, _>>()?);
    Ok(GroupState { initial_lr, param_names: names, ..state })
}

fn names_of(what: &str, names: &PickleValue) -> Result<Vec<String>, Error> {
    let name = |name: &PickleValue| match name {
        PickleValue::String(name) => Ok(name.clone()),
        other => Err(invalid(what, format!("{other:?} is not a name"))),
    };
    list(what, names)?.iter().map(name).collect()
}

fn field<'a>(dict: &'a Dict, key: &str) -> Result<&'a PickleValue, Error> {
    dict.get(key).ok_or_else(|| invalid(key, "missing"))
}

fn dict<'a>(what: &str, value: &'a PickleValue) -> Result<&'a Dict, Error> {
    match value {
        PickleValue::Dict(dict) => Ok(dict),
        other => Err(invalid(what, format!("{} is not a dict", kind(other)))),
    }
}

fn list<'a>(what: &str, value: &'a PickleValue) -> Result<&'a [PickleValue], Error> {
    match value {
        PickleValue::List(list) => Ok(list),
        other => Err(invalid(what, format!("{} is not a list", kind(other)))),
    }
}

fn number(what: &str, value: &PickleValue) -> Result<f64, Error> {
    match value {
        PickleValue::Float(number) => Ok(*number),
        PickleValue::Int(number) => Ok(*number as f64),
        other => Err(invalid(what, format!("{} is not a number", kind(other)))),
    }
}

/// A value in a few words: a hostile one may be large.
fn kind(value: &PickleValue) -> String {
    format!("{value:?}").chars().take(60).collect()
}

fn only(what: &str, dict: &Dict, known: &[&str]) -> Result<(), Error> {
    match dict.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(stray) => Err(invalid(what, format!("unknown key {stray:?}"))),
    }
}
