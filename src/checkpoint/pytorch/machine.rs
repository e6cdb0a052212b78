//! The machine that a pickle is a program of (source: CPython's Lib/pickle.py), which calls and
//! makes nothing.

use super::opcodes::{Op, Ops};
use super::pickle::{Name, Node, Pickle, Value};
use crate::tensor_file::{Budget, Fault, invalid};
use std::collections::{BTreeMap, BTreeSet};

impl<'a> Pickle<'a> {
    /// Parses the pickle at the beginning of `bytes`.
    pub fn parse(bytes: &'a [u8], budget: &mut Budget) -> Result<Self, Fault> {
        let (nodes, root, length) = run(bytes, budget)?;
        Ok(Self { nodes, root, length })
    }
}

/// Runs the pickle at the beginning of `bytes`. Returns its nodes, the value that it leaves, and
/// its length in bytes.
fn run<'a>(bytes: &'a [u8], budget: &mut Budget) -> Result<(Vec<Node<'a>>, Value, usize), Fault> {
    let Counted { nodes, recalled } = Counted::of(bytes, budget)?;
    budget.take("pickle", (nodes * size_of::<Node<'_>>()) as u64)?;
    let mut machine = Machine {
        budget,
        nodes: Vec::with_capacity(nodes),
        recalled,
        memo: BTreeMap::new(),
        kept: 0,
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
    Ok((machine.nodes, root, ops.at))
}

/// What a first look at a pickle finds: how many nodes it makes, so that they are allocated
/// once, and what it recalls, so that nothing else is kept.
struct Counted {
    nodes: usize,
    recalled: BTreeSet<usize>,
}

impl Counted {
    fn of(bytes: &[u8], budget: &mut Budget) -> Result<Self, Fault> {
        let mut counted = Self { nodes: 0, recalled: BTreeSet::new() };
        let mut ops = Ops::new(bytes);
        loop {
            let op = ops.next()?;
            counted.nodes += usize::from(op.makes_node());
            match op {
                Op::Get(at) if counted.recalled.insert(at) => budget.take("pickle", 32)?,
                Op::Stop => return Ok(counted),
                _ => {}
            }
        }
    }
}

struct Machine<'a, 'b> {
    budget: &'b mut Budget,
    nodes: Vec<Node<'a>>,
    /// What will be recalled, of what is there to recall; and how much was said to be kept.
    recalled: BTreeSet<usize>,
    memo: BTreeMap<usize, Value>,
    kept: usize,
    stack: Vec<Value>,
    marks: Vec<u32>,
}

/// Makes room for more, charging what a vector grows by while the old one is there too.
fn grow<T>(vec: &mut Vec<T>, more: usize, budget: &mut Budget) -> Result<(), Fault> {
    if vec.capacity() - vec.len() < more {
        let copies = if vec.is_empty() { 1 } else { 2 };
        let more = more.max(vec.len());
        budget.take("pickle", (16 + copies * more * size_of::<T>()) as u64)?;
        vec.reserve_exact(more);
    }
    Ok(())
}

fn push<T>(vec: &mut Vec<T>, value: T, budget: &mut Budget) -> Result<(), Fault> {
    grow(vec, 1, budget)?;
    vec.push(value);
    Ok(())
}

/// What a vector of so many values takes.
fn taken_bytes(length: usize) -> u64 {
    (16 + length * size_of::<Value>()) as u64
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
            Op::Global(module, name) => {
                let name = self.name(module, name)?;
                self.push_node(Node::Global(name))
            }
            Op::StackGlobal => self.stack_global(),
            Op::EmptyList => self.push_node(Node::List(Vec::new())),
            Op::EmptyDict => self.push_node(Node::Dict(Vec::new())),
            Op::EmptySet => self.push_object("builtins", "set"),
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
                let value = self.memo.get(&at).copied();
                self.push(value.ok_or_else(|| invalid("pickle", "it recalls what it never kept"))?)
            }
            Op::Put(at) => self.put(at),
            _ => self.put(self.kept),
        }
    }

    fn put(&mut self, at: usize) -> Result<(), Fault> {
        let top = self.top()?;
        self.kept += 1;
        if self.recalled.contains(&at) {
            self.budget.take("pickle", 64)?;
            self.memo.insert(at, top);
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

    fn name(&mut self, module: &'a str, name: &'a str) -> Result<Box<Name<'a>>, Fault> {
        self.budget.take("pickle", 16 + size_of::<Name<'_>>() as u64)?;
        Ok(Box::new(Name { module, name }))
    }

    fn push_object(&mut self, module: &'a str, name: &'a str) -> Result<(), Fault> {
        let name = self.name(module, name)?;
        self.push_node(Node::Object(name))
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
        self.budget.take("pickle", taken_bytes(length))?;
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
            _ => self.push_object("builtins", "frozenset"),
        }
    }

    fn pairs(&mut self, dict: &mut Vec<(Value, Value)>, values: &[Value]) -> Result<(), Fault> {
        if !values.len().is_multiple_of(2) {
            return Err(invalid("pickle", "a key without a value"));
        }
        grow(dict, values.len() / 2, self.budget)?;
        dict.extend(values.chunks(2).map(|pair| (pair[0], pair[1])));
        Ok(())
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
        match (op, &mut self.nodes[target as usize]) {
            (Op::Append | Op::Appends, Node::List(list)) => {
                grow(list, values.len(), self.budget)?;
                list.extend(&values);
            }
            (Op::SetItem | Op::SetItems, Node::Dict(dict)) => {
                let mut grown = std::mem::take(dict);
                self.pairs(&mut grown, &values)?;
                self.nodes[target as usize] = Node::Dict(grown);
            }
            // What is not made needs no contents.
            (_, Node::Object(..)) => {}
            _ => return Err(invalid("pickle", "it adds to what is neither list, dict nor set")),
        }
        self.budget.give_back(taken_bytes(values.len()));
        Ok(())
    }

    fn stack_global(&mut self) -> Result<(), Fault> {
        let (name, module) = (self.pop()?, self.pop()?);
        match (self.node(module), self.node(name)) {
            (Some(&Node::Text(module)), Some(&Node::Text(name))) => {
                let name = self.name(module, name)?;
                self.push_node(Node::Global(name))
            }
            _ => Err(invalid("pickle", "the name of a class is no text")),
        }
    }

    /// A call. What torch calls around tensors and dicts is understood.
    fn reduce(&mut self) -> Result<(), Fault> {
        let (given, function) = (self.pop()?, self.pop()?);
        let Some(Node::Global(function)) = self.node(function) else {
            return Err(invalid("pickle", "it calls what is no function"));
        };
        let Name { module, name } = **function;
        let Some(Node::Tuple(arguments)) = self.node(given) else {
            return Err(invalid("pickle", "the arguments of a call are no tuple"));
        };
        match (module, name, &arguments[..]) {
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2", &[_, _, _, _, ..]) => {
                self.push_node(Node::Tensor(given))
            }
            (
                "torch._utils",
                "_rebuild_parameter" | "_rebuild_parameter_with_state",
                &[tensor, ..],
            ) => self.push(tensor),
            ("collections", "OrderedDict", []) | ("collections", "defaultdict", _) => {
                self.push_node(Node::Dict(Vec::new()))
            }
            _ => self.push_object(module, name),
        }
    }

    fn new_object(&mut self, arguments: usize) -> Result<(), Fault> {
        for _ in 0..arguments {
            self.pop()?;
        }
        let class = self.pop()?;
        match self.node(class) {
            Some(Node::Global(class)) => {
                let Name { module, name } = **class;
                self.push_object(module, name)
            }
            _ => Err(invalid("pickle", "an object of what is no class")),
        }
    }
}
