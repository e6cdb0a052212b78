//! Finding a state dict in a file, and saying where it is when it is elsewhere.

use super::pickle::{Node, Pickle, Value};
use crate::cut::cut;
use crate::tensor_file::{Fault, invalid};

/// How deep, and among how many values at each depth, a state is looked for that no key was given
/// of; and how many are told.
const DEPTH: usize = 3;
const MOST: usize = 10_000;
const TOLD: usize = 5;

/// The most keys that a dict of fields may have, such as a state or a group.
pub(super) const MOST_KEYS: usize = 64;

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
    entries(pickle, value).flatten()
}

/// What is in a dict, list or tuple; None for a value whose key has no text.
fn entries<'a>(
    pickle: &'a Pickle<'_>,
    value: Value,
) -> impl Iterator<Item = Option<(String, Value)>> + use<'a> {
    let (pairs, values): (&[(Value, Value)], &[Value]) = match pickle.node(value) {
        Some(Node::Dict(pairs)) => (pairs, &[]),
        Some(Node::List(values) | Node::Tuple(values)) => (&[], values),
        _ => (&[], &[]),
    };
    let pairs = pairs.iter().map(|&(key, value)| match (key, pickle.node(key)) {
        (_, Some(Node::Text(text))) => Some((cut(text), value)),
        (Value::Int(number), _) => Some((number.to_string(), value)),
        _ => None,
    });
    let values = values.iter().enumerate();
    let values = values.map(|(number, &value)| Some((number.to_string(), value)));
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
    let mut search = Search { pickle, left: 0, path: Vec::new(), found: Vec::new() };
    for depth in 1..=DEPTH {
        search.left = MOST;
        search.look(value, depth);
    }
    if search.found.is_empty() {
        let there: Vec<_> = children(pickle, value).take(10).map(|(name, _)| name).collect();
        let what = kind(pickle, value);
        let reason =
            format!("{what} {there:?} is no optimizer's state: it has no state and param_groups");
        return invalid("file", reason);
    }
    let found = search.found.join(", or ");
    invalid("file", format_args!("the state lies deeper: load_pytorch_at(path, {found})"))
}

/// A search for states, depth by depth. It holds one path at a time: a file decides how many
/// values there are, and how often each is in others.
struct Search<'a, 'b> {
    pickle: &'a Pickle<'b>,
    /// How many more values are looked at.
    left: usize,
    path: Vec<String>,
    /// The keys of each state, as they are told.
    found: Vec<String>,
}

impl Search<'_, '_> {
    /// Looks for states exactly `depth` keys below a value, and in no other state.
    fn look(&mut self, value: Value, depth: usize) {
        for entry in entries(self.pickle, value) {
            if self.left == 0 || self.found.len() == TOLD {
                return;
            }
            self.left -= 1;
            let Some((name, child)) = entry else { continue };
            self.path.push(name);
            match self.is_state(child) {
                true if depth == 1 => self.found.push(format!("&{:?}", self.path)),
                false if depth > 1 => self.look(child, depth - 1),
                _ => {}
            }
            self.path.pop();
        }
    }

    /// As the function of this name. A dict of more keys would be refused: it is not searched.
    fn is_state(&self, value: Value) -> bool {
        match self.pickle.node(value) {
            Some(Node::Dict(pairs)) => pairs.len() <= MOST_KEYS && is_state(self.pickle, value),
            _ => false,
        }
    }
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
