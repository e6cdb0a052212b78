//! A pickle, parsed and never run: no class is made, no function called. What torch writes
//! around tensors is understood; any other object is only a name.
//!
//! Values lie in an arena and point at each other by number, so that nothing recurses, whatever
//! is nested in what. Every allocation is charged to the file's budget first.

use super::opcodes::{Op, Ops};
use crate::tensor_file::{Budget, Fault, invalid};
use std::cmp::Ordering;

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
    Global(&'a str, &'a str),
    /// An object of a class, or what a function returned. It is not made.
    Object(&'a str, &'a str),
    Tuple(Vec<Value>),
    List(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    /// Numbers outside the pickle: a tuple ('storage', class, key, place, length, ..).
    Storage(Value),
    Tensor(View),
}

/// A view of a storage: what `torch._utils._rebuild_tensor_v2` is given.
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
    /// Parses the pickle at the beginning of `bytes`.
    pub fn parse(bytes: &'a [u8], budget: &mut Budget) -> Result<Self, Fault> {
        // A first look, so that nodes and memo are allocated once.
        let (mut nodes, mut puts) = (0, 0);
        let mut ops = Ops::new(bytes);
        loop {
            let op = ops.next()?;
            nodes += usize::from(op.makes_node());
            puts += usize::from(matches!(op, Op::Put(_) | Op::Memoize));
            if op == Op::Stop {
                break;
            }
        }
        let size = nodes * size_of::<Node<'_>>() + puts * size_of::<Value>();
        budget.take("pickle", size as u64)?;
        let mut machine = Machine {
            budget,
            nodes: Vec::with_capacity(nodes),
            memo: Vec::with_capacity(puts),
            stack: Vec::new(),
            marks: Vec::new(),
        };
        let mut ops = Ops::new(bytes);
        loop {
            match ops.next()? {
                Op::Stop => break,
                op => machine.run(op)?,
            }
        }
        let root = machine.pop()?;
        Ok(Self { nodes: machine.nodes, root, length: ops.at })
    }

    pub fn node(&self, value: Value) -> Option<&Node<'a>> {
        match value {
            Value::Node(number) => self.nodes.get(number as usize),
            _ => None,
        }
    }
}

struct Machine<'a, 'b> {
    budget: &'b mut Budget,
    nodes: Vec<Node<'a>>,
    memo: Vec<Value>,
    stack: Vec<Value>,
    marks: Vec<u32>,
}

/// Adds to a vector that may grow, charging what it grows by while the old one is there too.
fn push<T>(vec: &mut Vec<T>, value: T, budget: &mut Budget) -> Result<(), Fault> {
    if vec.len() == vec.capacity() {
        let more = vec.len().max(4);
        budget.take("pickle", (2 * more * size_of::<T>()) as u64)?;
        vec.reserve_exact(more);
    }
    vec.push(value);
    Ok(())
}

fn underflow() -> Fault {
    invalid("pickle", "it takes more than it has")
}

impl<'a> Machine<'a, '_> {
    fn run(&mut self, op: Op<'a>) -> Result<(), Fault> {
        match op {
            Op::None => self.push(Value::None),
            Op::Bool(value) => self.push(Value::Bool(value)),
            Op::Int(value) => self.push(Value::Int(value)),
            Op::Float(value) => self.push(Value::Float(value)),
            Op::Text(text) => self.push_node(Node::Text(text)),
            Op::Opaque => self.push_node(Node::Opaque),
            Op::Global(module, name) => self.push_node(Node::Global(module, name)),
            Op::StackGlobal => self.stack_global(),
            Op::EmptyList => self.push_node(Node::List(Vec::new())),
            Op::EmptyDict => self.push_node(Node::Dict(Vec::new())),
            Op::EmptySet => self.push_node(Node::Object("builtins", "set")),
            Op::Tuple(length) => {
                let from = self.stack.len().checked_sub(length).ok_or_else(underflow)?;
                self.tuple(from)
            }
            Op::TupleOfMarked => {
                let from = self.marked()?;
                self.tuple(from)
            }
            Op::ListOfMarked | Op::DictOfMarked | Op::SetOfMarked => self.of_marked(op),
            Op::Append | Op::Appends | Op::SetItem | Op::SetItems | Op::AddItems => self.extend(op),
            Op::Persistent => {
                let id = self.pop()?;
                self.push_node(Node::Storage(id))
            }
            Op::Reduce => self.reduce(),
            Op::NewObject(arguments) => self.new_object(arguments),
            Op::Build => {
                // An object's attributes: none that is read has any of use.
                self.pop()?;
                self.top().map(drop)
            }
            _ => self.shuffle(op),
        }
    }

    /// What moves values about.
    fn shuffle(&mut self, op: Op<'a>) -> Result<(), Fault> {
        match op {
            Op::Mark => {
                // As many as there are bytes, at most.
                let at =
                    u32::try_from(self.stack.len()).map_err(|error| invalid("pickle", error))?;
                push(&mut self.marks, at, self.budget)
            }
            Op::Pop => self.pop().map(drop),
            Op::PopMark => {
                let from = self.marked()?;
                self.stack.truncate(from);
                Ok(())
            }
            Op::Dup => {
                let top = self.top()?;
                self.push(top)
            }
            Op::Get(at) => {
                let value = self.memo.get(at).copied();
                self.push(value.ok_or_else(|| invalid("pickle", "it recalls what it never kept"))?)
            }
            Op::Put(at) => self.put(at),
            _ => self.put(self.memo.len()),
        }
    }

    fn put(&mut self, at: usize) -> Result<(), Fault> {
        let top = self.top()?;
        match at.cmp(&self.memo.len()) {
            Ordering::Less => self.memo[at] = top,
            // There is room: every one was counted.
            Ordering::Equal => self.memo.push(top),
            Ordering::Greater => return Err(invalid("pickle", "it keeps values out of order")),
        }
        Ok(())
    }

    fn push(&mut self, value: Value) -> Result<(), Fault> {
        push(&mut self.stack, value, self.budget)
    }

    fn push_node(&mut self, node: Node<'a>) -> Result<(), Fault> {
        let number = u32::try_from(self.nodes.len()).map_err(|error| invalid("pickle", error))?;
        // There is room: every one was counted.
        self.nodes.push(node);
        self.push(Value::Node(number))
    }

    fn top(&self) -> Result<Value, Fault> {
        self.stack.last().copied().ok_or_else(underflow)
    }

    fn pop(&mut self) -> Result<Value, Fault> {
        self.stack.pop().ok_or_else(underflow)
    }

    fn node(&self, value: Value) -> Option<&Node<'a>> {
        match value {
            Value::Node(number) => self.nodes.get(number as usize),
            _ => None,
        }
    }

    /// Where the values since the last mark begin.
    fn marked(&mut self) -> Result<usize, Fault> {
        let from = self.marks.pop().ok_or_else(underflow)? as usize;
        if from > self.stack.len() { Err(underflow()) } else { Ok(from) }
    }

    /// The values from `from` on, taken off the stack.
    fn taken(&mut self, from: usize) -> Result<Vec<Value>, Fault> {
        let length = self.stack.len() - from;
        self.budget.take("pickle", (16 + length * size_of::<Value>()) as u64)?;
        let mut taken = Vec::with_capacity(length);
        taken.extend(self.stack.drain(from..));
        Ok(taken)
    }

    fn tuple(&mut self, from: usize) -> Result<(), Fault> {
        let values = self.taken(from)?;
        self.push_node(Node::Tuple(values))
    }

    fn of_marked(&mut self, op: Op<'a>) -> Result<(), Fault> {
        let from = self.marked()?;
        let values = self.taken(from)?;
        match op {
            Op::ListOfMarked => self.push_node(Node::List(values)),
            Op::DictOfMarked => {
                let mut dict = Vec::new();
                self.pairs(&mut dict, &values)?;
                self.push_node(Node::Dict(dict))
            }
            _ => self.push_node(Node::Object("builtins", "frozenset")),
        }
    }

    fn pairs(&mut self, dict: &mut Vec<(Value, Value)>, values: &[Value]) -> Result<(), Fault> {
        if !values.len().is_multiple_of(2) {
            return Err(invalid("pickle", "a key without a value"));
        }
        values.chunks(2).try_for_each(|pair| push(dict, (pair[0], pair[1]), self.budget))
    }

    /// Adds to the list, dict or set below the values on the stack.
    fn extend(&mut self, op: Op<'a>) -> Result<(), Fault> {
        let from = match op {
            Op::Append => self.stack.len().checked_sub(1).ok_or_else(underflow)?,
            Op::SetItem => self.stack.len().checked_sub(2).ok_or_else(underflow)?,
            _ => self.marked()?,
        };
        let values = self.taken(from)?;
        let Value::Node(target) = self.top()? else {
            return Err(invalid("pickle", "it adds to what holds nothing"));
        };
        // Counted again where they go.
        self.budget.give_back((16 + values.len() * size_of::<Value>()) as u64);
        let node = &mut self.nodes[target as usize];
        match (op, node) {
            (Op::Append | Op::Appends, Node::List(list)) => {
                values.into_iter().try_for_each(|value| push(list, value, self.budget))
            }
            (Op::SetItem | Op::SetItems, Node::Dict(dict)) => {
                let mut grown = std::mem::take(dict);
                self.pairs(&mut grown, &values)?;
                self.nodes[target as usize] = Node::Dict(grown);
                Ok(())
            }
            // What is not made needs no contents.
            (_, Node::Object(..)) => Ok(()),
            _ => Err(invalid("pickle", "it adds to what is neither list, dict nor set")),
        }
    }

    fn stack_global(&mut self) -> Result<(), Fault> {
        let (name, module) = (self.pop()?, self.pop()?);
        match (self.node(module), self.node(name)) {
            (Some(&Node::Text(module)), Some(&Node::Text(name))) => {
                self.push_node(Node::Global(module, name))
            }
            _ => Err(invalid("pickle", "the name of a class is no text")),
        }
    }

    /// A call. What torch calls around tensors and dicts is understood.
    fn reduce(&mut self) -> Result<(), Fault> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let Some(&Node::Global(module, name)) = self.node(function) else {
            return Err(invalid("pickle", "it calls what is no function"));
        };
        let Some(Node::Tuple(arguments)) = self.node(arguments) else {
            return Err(invalid("pickle", "the arguments of a call are no tuple"));
        };
        match (module, name, &arguments[..]) {
            (
                "torch._utils",
                "_rebuild_tensor" | "_rebuild_tensor_v2",
                &[storage, offset, size, stride, ..],
            ) => self.push_node(Node::Tensor(View { storage, offset, size, stride })),
            (
                "torch._utils",
                "_rebuild_parameter" | "_rebuild_parameter_with_state",
                &[tensor, ..],
            ) => self.push(tensor),
            ("collections", "OrderedDict", []) | ("collections", "defaultdict", _) => {
                self.push_node(Node::Dict(Vec::new()))
            }
            _ => self.push_node(Node::Object(module, name)),
        }
    }

    fn new_object(&mut self, arguments: usize) -> Result<(), Fault> {
        for _ in 0..arguments {
            self.pop()?;
        }
        let class = self.pop()?;
        match self.node(class) {
            Some(&Node::Global(module, name)) => self.push_node(Node::Object(module, name)),
            _ => Err(invalid("pickle", "an object of what is no class")),
        }
    }
}
