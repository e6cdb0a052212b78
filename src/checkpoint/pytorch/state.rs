//! The state of a `torch.optim.SparseAdam`, `Adam` or `AdamW`, out of a pickle's values.

use super::find::{MOST_KEYS, kind};
use super::pickle::{Node, Value};
use super::tensors::Source;
use crate::cut::cut;
use crate::state_dict::MOST_STEPS;
use crate::tensor_file::{Fault, invalid};
use crate::{AdamOptions, Epsilon, GroupState, ParamState, StateDict, WeightDecay};
use std::collections::BTreeMap;
use std::io::{Read, Seek};

/// Keys of a group of SparseAdam.
const OF_SPARSE_ADAM: [&str; 7] =
    ["lr", "betas", "eps", "maximize", "initial_lr", "params", "param_names"];

/// Keys that torch's schedulers leave in a group, beside `initial_lr`: of no use to a step
/// (source: torch/optim/lr_scheduler.py and swa_utils.py).
const OF_SCHEDULERS: [&str; 6] =
    ["max_lr", "min_lr", "base_lr", "max_momentum", "base_momentum", "swa_lr"];

/// Keys of torch's Adam and AdamW that say how they compute, not what.
const OF_ADAM: [&str; 5] = ["foreach", "capturable", "differentiable", "fused", "amsgrad"];

/// Keys of a group or a state that name another optimizer, and which.
const OF_OTHERS: [(&str, &str); 11] = [
    ("alpha", "torch.optim.RMSprop or ASGD"),
    ("nesterov", "torch.optim.SGD"),
    ("lr_decay", "torch.optim.Adagrad"),
    ("momentum_decay", "torch.optim.NAdam"),
    ("rho", "torch.optim.Adadelta"),
    ("dampening", "torch.optim.SGD"),
    ("mu_product", "torch.optim.NAdam"),
    ("momentum_buffer", "torch.optim.SGD or RMSprop"),
    ("sum", "torch.optim.Adagrad"),
    ("square_avg", "torch.optim.RMSprop or Adadelta"),
    ("exp_inf", "torch.optim.Adamax"),
];

/// What amsgrad adds to a state.
const LARGEST: &str = "max_exp_avg_sq";

/// A dict of few keys, each a text and there once.
type Fields<'a> = BTreeMap<&'a str, Value>;

pub(super) fn read<R: Read + Seek>(
    mut source: Source<'_, R>,
    root: Value,
) -> Result<StateDict, Fault> {
    let root = source.fields("file", root)?;
    let mut loaded = StateDict::default();
    for &(number, state) in source.dict("state", field("file", &root, "state")?)? {
        let number = source.param_number(number)?;
        // A B-tree's nodes may be half empty.
        source.budget.take("state", 2 * size_of::<(usize, ParamState)>() as u64)?;
        let state = source.param_state(&format!("state.{number}"), state)?;
        if loaded.state.insert(number, state).is_some() {
            return Err(invalid(format_args!("state.{number}"), "there twice"));
        }
    }
    let groups = source.list("param_groups", field("file", &root, "param_groups")?)?;
    for (number, &group) in groups.iter().enumerate() {
        source.budget.take("param_groups", 3 * size_of::<GroupState>() as u64)?;
        let group = source.group_state(&format!("param_groups.{number}"), group)?;
        loaded.param_groups.push(group);
    }
    Ok(loaded)
}

fn field(what: &str, fields: &Fields<'_>, key: &str) -> Result<Value, Fault> {
    fields.get(key).copied().ok_or_else(|| invalid(format_args!("{what}: {key}"), "missing"))
}

/// Refuses keys that are none of SparseAdam's.
fn only(what: &str, fields: &Fields<'_>, known: &[&str]) -> Result<(), Fault> {
    let Some(stray) = fields.keys().find(|key| !known.contains(key)) else { return Ok(()) };
    let other = OF_OTHERS.iter().find(|(key, _)| fields.contains_key(key));
    let reason = match other {
        None => format!("unknown key {:?}", cut(stray)),
        Some((key, optimizer)) => format!(
            "key {key:?}: this is a state of {optimizer}; what is read here is that of SparseAdam, Adam or AdamW"
        ),
    };
    Err(invalid(what, reason))
}

impl<'a, R: Read + Seek> Source<'a, R> {
    fn param_number(&self, key: Value) -> Result<usize, Fault> {
        let number = match key {
            Value::Int(number) => usize::try_from(number).ok(),
            _ => None,
        };
        number.ok_or_else(|| {
            let remedy = match self.pickle.node(key) {
                Some(Node::Tensor(_)) => {
                    ": this is optimizer.state itself; save optimizer.state_dict() instead"
                }
                Some(Node::Text(_)) => {
                    ": states by name (of FSDP) need rekeying by number in torch"
                }
                _ => "",
            };
            let key = kind(self.pickle, key);
            invalid("state", format_args!("key {key} is not a parameter's number{remedy}"))
        })
    }

    fn param_state(&mut self, what: &str, state: Value) -> Result<ParamState, Fault> {
        let fields = self.fields(what, state)?;
        only(what, &fields, &["step", "exp_avg", "exp_avg_sq", LARGEST])?;
        let step = self.step(&format!("{what}.step"), field(what, &fields, "step")?)?;
        let mut moment = |name| {
            let value = field(what, &fields, name)?;
            let what = format!("{what}.{name}");
            match self.pickle.view(value) {
                Some(view) => self.floats(&what, &view),
                None => {
                    let found = kind(self.pickle, value);
                    Err(invalid(what, format_args!("{found} is not a tensor")))
                }
            }
        };
        let (shape, exp_avg) = moment("exp_avg")?;
        let (other, exp_avg_sq) = moment("exp_avg_sq")?;
        let third = fields.contains_key(LARGEST).then(|| moment(LARGEST)).transpose()?;
        if shape != other || third.as_ref().is_some_and(|(third, _)| *third != shape) {
            return Err(invalid(what, "its moments differ in shape"));
        }
        let state = ParamState::new(step, shape, exp_avg, exp_avg_sq);
        Ok(match third {
            Some((_, largest)) => state.max_exp_avg_sq(largest),
            None => state,
        })
    }

    /// An int, or a tensor of one number.
    fn step(&mut self, what: &str, value: Value) -> Result<u64, Fault> {
        let count = match value {
            Value::Int(step) => u64::try_from(step).ok(),
            _ => {
                let number = self.number_in(what, value)?;
                // Beyond 2^53, every number is whole, and refused below.
                (number >= 0.0 && number.fract() == 0.0).then_some(number as u64)
            }
        };
        count.filter(|&count| count <= MOST_STEPS).ok_or_else(|| {
            let found = kind(self.pickle, value);
            invalid(what, format_args!("{found} is not a count of at most 2^53"))
        })
    }

    /// A number: an int, a float, or in a tensor of one number.
    fn number_in(&mut self, what: &str, value: Value) -> Result<f64, Fault> {
        if let Some(view) = self.pickle.view(value) {
            return self.number(what, &view);
        }
        match (value, self.pickle.node(value)) {
            (Value::Float(number), _) => Ok(number),
            (Value::Int(number), _) if number.unsigned_abs() <= MOST_STEPS => Ok(number as f64),
            (_, Some(Node::Object(class))) if class.module.starts_with("numpy.") => {
                Err(invalid(what, "a number of numpy; in torch, make it a float before saving"))
            }
            _ => {
                let found = kind(self.pickle, value);
                Err(invalid(what, format_args!("{found} is not a number")))
            }
        }
    }

    fn group_state(&mut self, what: &str, group: Value) -> Result<GroupState, Fault> {
        let fields = self.fields(what, group)?;
        let mut known = OF_SPARSE_ADAM.to_vec();
        known.extend(OF_SCHEDULERS);
        known.extend(OF_ADAM);
        known.extend(["weight_decay", "decoupled_weight_decay"]);
        only(what, &fields, &known)?;
        let mut number = |key| {
            let value = field(what, &fields, key)?;
            self.number_in(&format!("{what}.{key}"), value)
        };
        let (lr, eps) = (number("lr")?, number("eps")?);
        let initial_lr =
            fields.contains_key("initial_lr").then(|| number("initial_lr")).transpose()?;
        let &[beta1, beta2] =
            self.list(&format!("{what}.betas"), field(what, &fields, "betas")?)?
        else {
            return Err(invalid(what, "betas are not two"));
        };
        let betas = (self.number_in(what, beta1)?, self.number_in(what, beta2)?);
        let maximize = self.flag(what, &fields, "maximize")?.unwrap_or(false);
        let options = AdamOptions::new().lr(lr).betas(betas).eps(eps).maximize(maximize);
        let options = self.of_adam(what, &fields, options)?;
        let params = self.params(what, field(what, &fields, "params")?)?;
        let names = fields.get("param_names").map(|&names| self.names(what, names)).transpose()?;
        let state = GroupState::new(options, params);
        Ok(GroupState { initial_lr, param_names: names, ..state })
    }

    /// The options of a group of Adam or AdamW, which has a key that SparseAdam's has not.
    fn of_adam(
        &mut self,
        what: &str,
        fields: &Fields<'a>,
        options: AdamOptions,
    ) -> Result<AdamOptions, Fault> {
        let Some(amsgrad) = self.flag(what, fields, "amsgrad")? else {
            return only(what, fields, &[&OF_SPARSE_ADAM[..], &OF_SCHEDULERS].concat())
                .map(|()| options);
        };
        let decay = match fields.get("weight_decay") {
            None => 0.0,
            Some(&decay) => self.number_in(&format!("{what}.weight_decay"), decay)?,
        };
        let weight_decay = match (decay, self.flag(what, fields, "decoupled_weight_decay")?) {
            (0.0, _) => WeightDecay::None,
            (decay, Some(true)) => WeightDecay::Decoupled(decay),
            (decay, Some(false)) => WeightDecay::L2(decay),
            (_, None) => {
                let reason = "weight_decay without decoupled_weight_decay: of torch before 2.7, which does not \
                              say whether it is Adam's or AdamW's";
                return Err(invalid(what, reason));
            }
        };
        let options = options.epsilon(Epsilon::Corrected).amsgrad(amsgrad);
        Ok(options.weight_decay(weight_decay))
    }

    fn flag(&self, what: &str, fields: &Fields<'_>, key: &str) -> Result<Option<bool>, Fault> {
        match fields.get(key) {
            None => Ok(None),
            Some(&Value::Bool(flag)) => Ok(Some(flag)),
            Some(&other) => {
                let found = kind(self.pickle, other);
                Err(invalid(what, format_args!("{key} is {found}")))
            }
        }
    }

    fn params(&mut self, what: &str, list: Value) -> Result<Vec<usize>, Fault> {
        let list = self.list(what, list)?;
        self.budget.take(what, 8 * list.len() as u64)?;
        list.iter().map(|&param| self.param_number(param)).collect()
    }

    fn names(&mut self, what: &str, list: Value) -> Result<Vec<String>, Fault> {
        let list = self.list(what, list)?;
        self.budget.take(what, 48 * list.len() as u64)?;
        let mut names = Vec::with_capacity(list.len());
        for &name in list {
            let Some(Node::Text(name)) = self.pickle.node(name) else {
                return Err(invalid(what, "a name of a parameter is no text"));
            };
            self.budget.take(what, name.len() as u64)?;
            names.push(name.to_string());
        }
        Ok(names)
    }

    /// A small dict whose keys are texts.
    fn fields(&self, what: &str, value: Value) -> Result<Fields<'a>, Fault> {
        let dict = self.dict(what, value)?;
        if dict.len() > MOST_KEYS {
            return Err(invalid(what, format_args!("{} keys, at most {MOST_KEYS}", dict.len())));
        }
        let mut fields = Fields::new();
        for &(key, value) in dict {
            let Some(&Node::Text(name)) = self.pickle.node(key) else {
                let key = kind(self.pickle, key);
                return Err(invalid(what, format_args!("key {key} is no text")));
            };
            if fields.insert(name, value).is_some() {
                return Err(invalid(what, format_args!("key {:?} twice", cut(name))));
            }
        }
        Ok(fields)
    }

    fn dict(&self, what: &str, value: Value) -> Result<&'a [(Value, Value)], Fault> {
        match self.pickle.node(value) {
            Some(Node::Dict(dict)) => Ok(dict),
            _ => {
                let found = kind(self.pickle, value);
                Err(invalid(what, format_args!("{found} is not a dict")))
            }
        }
    }

    fn list(&self, what: &str, value: Value) -> Result<&'a [Value], Fault> {
        match self.pickle.node(value) {
            Some(Node::List(list) | Node::Tuple(list)) => Ok(list),
            _ => {
                let found = kind(self.pickle, value);
                Err(invalid(what, format_args!("{found} is not a list")))
            }
        }
    }
}
