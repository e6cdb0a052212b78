//! Finding a state dict in a file, and saying where it is when it is elsewhere.

use super::pickle::{Node, Pickle, Value};
use crate::cut::cut;
use crate::tensor_file::{Fault, invalid};

/// How deep, and among how many values, a state is looked for that no key was given of.
const DEPTH: usize = 3;
const MOST: usize = 10_000;

/// The value under keys, which must be a state dict.
pub(super) fn at(pickle: &Pickle<'_>, keys: &[&str]) -> Result<Value, Fault> {
    let mut value = pickle.root;
    for &key in keys {
        let mut under = children(pickle, value).filter(|(name, _)| name == key);
        value = match (under.next(), under.next()) {
            (Some((_, value)), None) => value,
            (None, _) => return Err(missing(pickle, value, key)),
            _ => return Err(invalid(key, "a key twice")),
        };
    }
    if is_state(pickle, value) { Ok(value) } else { Err(elsewhere(pickle, value)) }
}

/// The values in a dict, list or tuple, under their keys as texts.
fn children<'a>(
    pickle: &'a Pickle<'_>,
    value: Value,
) -> impl Iterator<Item = (String, Value)> + use<'a> {
    let (pairs, values): (&[(Value, Value)], &[Value]) = match pickle.node(value) {
        Some(Node::Dict(pairs)) => (pairs, &[]),
        Some(Node::List(values) | Node::Tuple(values)) => (&[], values),
        _ => (&[], &[]),
    };
    let pairs = pairs.iter().filter_map(|&(key, value)| match (key, pickle.node(key)) {
        (_, Some(Node::Text(text))) => Some((cut(text), value)),
        (Value::Int(number), _) => Some((number.to_string(), value)),
        _ => None,
    });
    let values = values.iter().enumerate().map(|(number, &value)| (number.to_string(), value));
    pairs.chain(values)
}

fn is_state(pickle: &Pickle<'_>, value: Value) -> bool {
    let Some(Node::Dict(pairs)) = pickle.node(value) else { return false };
    let has = |wanted: &str| {
        pairs
            .iter()
            .any(|&(key, _)| matches!(pickle.node(key), Some(&Node::Text(text)) if text == wanted))
    };
    has("state") && has("param_groups")
}

fn missing(pickle: &Pickle<'_>, value: Value, key: &str) -> Fault {
    let there: Vec<_> = children(pickle, value).take(10).map(|(name, _)| name).collect();
    invalid(format_args!("key {key:?}"), format_args!("missing; there are {there:?}"))
}

/// The error for what is no state dict, with the keys of those that are in it.
fn elsewhere(pickle: &Pickle<'_>, value: Value) -> Fault {
    if let Some(Node::Object(class)) = pickle.node(value) {
        let class = cut(format_args!("{}.{}", class.module, class.name));
        let reason = format!("an object of class {class}, which is not made; ");
        return invalid("file", reason + "in torch, save optimizer.state_dict() instead");
    }
    let mut found: Vec<Vec<String>> = Vec::new();
    let mut left = MOST;
    let mut level = vec![(Vec::new(), value)];
    for _ in 0..DEPTH {
        let mut next = Vec::new();
        for (path, value) in &level {
            for (name, child) in children(pickle, *value).take(left) {
                left -= 1;
                let path: Vec<_> = path.iter().cloned().chain([name]).collect();
                match is_state(pickle, child) {
                    true => found.push(path),
                    false => next.push((path, child)),
                }
            }
        }
        level = next;
    }
    if found.is_empty() {
        let there: Vec<_> = children(pickle, value).take(10).map(|(name, _)| name).collect();
        let what = kind(pickle, value);
        let reason =
            format!("{what} {there:?} is no optimizer's state: it has no state and param_groups");
        return invalid("file", reason);
    }
    let found: Vec<_> = found.iter().take(5).map(|path| format!("&{path:?}")).collect();
    let found = found.join(", or ");
    invalid("file", format_args!("the state lies deeper: load_pytorch_at(path, {found})"))
}

/// What a value is, in a few words.
pub(super) fn kind(pickle: &Pickle<'_>, value: Value) -> String {
    match (value, pickle.node(value)) {
        (_, Some(Node::Text(text))) => format!("text {:?}", cut(text)),
        (_, Some(Node::Object(name) | Node::Global(name))) => {
            cut(format_args!("{}.{}", name.module, name.name))
        }
        (_, Some(Node::Tuple(_))) => "a tuple".into(),
        (_, Some(Node::List(_))) => "a list".into(),
        (_, Some(Node::Dict(_))) => "a dict".into(),
        (_, Some(Node::Storage(_) | Node::Tensor(_))) => "a tensor".into(),
        (_, Some(Node::Opaque)) => "bytes, or a number beyond 64 bits".into(),
        (Value::Bool(value), _) => format!("{value}"),
        (Value::Int(value), _) => format!("{value}"),
        (Value::Float(value), _) => format!("{value}"),
        (Value::None | Value::Node(_), _) => "None".into(),
    }
}
