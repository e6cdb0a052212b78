//! A pickle, parsed and never run: no class is made, no function called. What torch writes
//! around tensors is understood; any other object is only a name.
//!
//! Values lie in an arena and point at each other by number, so that nothing recurses, whatever
//! is nested in what. Every allocation is charged to the file's budget first.

/// A value, small; or the number of a node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Node(u32),
}

/// A value that others may share.
#[derive(Debug)]
pub(super) enum Node<'a> {
    Text(&'a str),
    Opaque,
    /// A class or function.
    Global(Box<Name<'a>>),
    /// An object of a class, or what a function returned. It is not made.
    Object(Box<Name<'a>>),
    Tuple(Vec<Value>),
    List(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    /// Numbers outside the pickle: a tuple ('storage', class, key, place, length, ..).
    Storage(Value),
    /// A view of a storage: the tuple that `torch._utils._rebuild_tensor_v2` is given.
    Tensor(Value),
}

/// Module and name of a class or function.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Name<'a> {
    pub module: &'a str,
    pub name: &'a str,
}

/// The first arguments of `torch._utils._rebuild_tensor_v2`.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub storage: Value,
    pub offset: Value,
    pub size: Value,
    pub stride: Value,
}

/// What a pickle holds.
pub(super) struct Pickle<'a> {
    pub nodes: Vec<Node<'a>>,
    pub root: Value,
    /// Bytes of the pickle.
    pub length: usize,
}

impl<'a> Pickle<'a> {
    pub fn node(&self, value: Value) -> Option<&Node<'a>> {
        match value {
            Value::Node(number) => self.nodes.get(number as usize),
            _ => None,
        }
    }

    /// The view that a tensor is; None where the value is no tensor.
    pub fn view(&self, value: Value) -> Option<View> {
        let Some(&Node::Tensor(arguments)) = self.node(value) else { return None };
        let Some(Node::Tuple(arguments)) = self.node(arguments) else { return None };
        let &[storage, offset, size, stride, ..] = &arguments[..] else { return None };
        Some(View { storage, offset, size, stride })
    }
}
