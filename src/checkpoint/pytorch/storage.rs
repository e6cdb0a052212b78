//! Tensors as views of storages, read within the bytes that are there.

use super::container::Container;
use super::pickle::{Node, Pickle, Value, View};
use crate::tensor_file::{Budget, Fault, invalid};
use std::collections::BTreeMap;
use std::io::{Read, Seek};

/// A type of numbers, as torch names the class of its storages, and its bytes.
const TYPES: [(&str, u64); 12] = [
    ("FloatStorage", 4),
    ("DoubleStorage", 8),
    ("HalfStorage", 2),
    ("BFloat16Storage", 2),
    ("LongStorage", 8),
    ("IntStorage", 4),
    ("ShortStorage", 2),
    ("CharStorage", 1),
    ("ByteStorage", 1),
    ("BoolStorage", 1),
    ("ComplexFloatStorage", 8),
    ("ComplexDoubleStorage", 16),
];

/// What a pickle says of a storage.
struct Storage<'a> {
    class: &'a str,
    key: &'a str,
    /// Numbers in it.
    length: u64,
}

impl<'a> Storage<'a> {
    fn of(what: &str, pickle: &'a Pickle<'_>, value: Value) -> Result<Self, Fault> {
        let Some(&Node::Storage(id)) = pickle.node(value) else {
            return Err(invalid(what, "a tensor without a storage"));
        };
        let wrong = || invalid(what, "its storage is not described as torch does");
        let Some(Node::Tuple(id)) = pickle.node(id) else { return Err(wrong()) };
        let &[kind, class, key, _, Value::Int(length), ..] = &id[..] else { return Err(wrong()) };
        if !matches!(id.get(5), None | Some(Value::None)) {
            return Err(invalid(what, "its storage is a view of another"));
        }
        match (pickle.node(kind), pickle.node(class), pickle.node(key)) {
            (Some(Node::Text("storage")), Some(Node::Global(class)), Some(&Node::Text(key))) => {
                let class = class.name;
                let length = u64::try_from(length).map_err(|_| wrong())?;
                Ok(Self { class, key, length })
            }
            _ => Err(wrong()),
        }
    }

    fn width(&self) -> Option<u64> {
        TYPES.iter().find(|(class, _)| *class == self.class).map(|&(_, width)| width)
    }
}

/// Bytes of a number in each storage, by key, of those whose type is known.
pub(super) fn widths<'a>(
    pickle: &'a Pickle<'_>,
    budget: &mut Budget,
) -> Result<BTreeMap<&'a str, u64>, Fault> {
    let mut widths = BTreeMap::new();
    for (number, node) in pickle.nodes.iter().enumerate() {
        if matches!(node, Node::Storage(_)) {
            let storage = Storage::of("storages", pickle, Value::Node(number as u32))?;
            if let Some(width) = storage.width() {
                budget.take("storages", 64)?;
                widths.insert(storage.key, width);
            }
        }
    }
    Ok(widths)
}

/// Where the numbers of a tensor lie in its storage.
struct Layout {
    offset: u64,
    /// Axis by axis: length and distance.
    axes: Vec<(u64, u64)>,
    /// All numbers.
    count: u64,
    /// From the first to behind the last.
    span: u64,
}

impl Layout {
    fn of(what: &str, pickle: &Pickle<'_>, view: &View, storage: u64) -> Result<Self, Fault> {
        let wrong = |reason: &str| invalid(what, reason);
        let (Some(Node::Tuple(size)), Some(Node::Tuple(stride))) =
            (pickle.node(view.size), pickle.node(view.stride))
        else {
            return Err(wrong("a tensor without a shape"));
        };
        if size.len() != stride.len() || size.len() > 64 {
            return Err(wrong("as many axes as strides, and at most 64, are expected"));
        }
        let number = |&value: &Value| match value {
            Value::Int(number) => u64::try_from(number).ok().filter(|&n| n <= u32::MAX.into()),
            _ => None,
        };
        let pairs = size.iter().zip(stride).map(|(size, stride)| {
            // A stride goes beyond 2^32 in the largest tables only, and is no less a number.
            let Value::Int(stride) = *stride else { return None };
            Some((number(size)?, u64::try_from(stride).ok()?))
        });
        let axes = pairs.collect::<Option<Vec<_>>>().ok_or_else(|| wrong("no shape"))?;
        let Value::Int(offset) = view.offset else { return Err(wrong("no offset")) };
        let offset = u64::try_from(offset).map_err(|_| wrong("a negative offset"))?;
        let count = axes.iter().try_fold(1u64, |count, axis| count.checked_mul(axis.0));
        let count = count.filter(|&count| count <= storage);
        let count = count.ok_or_else(|| wrong("it has more numbers than its storage"))?;
        let span = span(&axes, count).ok_or_else(|| {
            wrong("its numbers overlap in memory (torch.Tensor.expand): save .contiguous() of it")
        })?;
        if offset.checked_add(span).is_none_or(|end| end > storage) {
            return Err(wrong("it reaches beyond its storage"));
        }
        Ok(Self { offset, axes, count, span })
    }

    /// The place of every number, in row-major order, counted from the first.
    fn places(&self) -> impl Iterator<Item = u64> {
        let mut at = vec![0; self.axes.len()];
        let mut place = 0;
        (0..self.count).map(move |_| {
            let found = place;
            for (at, &(size, stride)) in at.iter_mut().zip(&self.axes).rev() {
                *at += 1;
                place += stride;
                if *at < size {
                    break;
                }
                place -= size * stride;
                *at = 0;
            }
            found
        })
    }
}

/// How far numbers reach from the first one on; None where two share a place.
fn span(axes: &[(u64, u64)], count: u64) -> Option<u64> {
    if count == 0 {
        return Some(0);
    }
    let mut long: Vec<_> = axes.iter().filter(|axis| axis.0 > 1).collect();
    long.sort_by_key(|axis| axis.1);
    let mut span = 1u64;
    for &&(size, stride) in &long {
        if stride < span {
            return None;
        }
        span = (size - 1).checked_mul(stride)?.checked_add(span)?;
    }
    Some(span)
}

/// A file whose tensors are read when asked for.
pub(super) struct Source<'a, R> {
    pub pickle: &'a Pickle<'a>,
    pub container: Container<R>,
    pub budget: Budget,
}

impl<R: Read + Seek> Source<'_, R> {
    /// Shape and values of a tensor of float32.
    pub fn floats(&mut self, what: &str, view: &View) -> Result<(Vec<u32>, Vec<f32>), Fault> {
        let storage = Storage::of(what, self.pickle, view.storage)?;
        if storage.class != "FloatStorage" {
            let reason = format!("of a {}, expected float32 (FloatStorage)", storage.class);
            return Err(invalid(what, reason));
        }
        let layout = Layout::of(what, self.pickle, view, storage.length)?;
        self.budget.take(what, 4 * layout.axes.len() as u64)?;
        let shape = layout.axes.iter().map(|axis| axis.0 as u32).collect();
        let span = self.numbers::<f32>(what, &storage, layout.offset, layout.span)?;
        // Where numbers fill the span in order, it is the tensor.
        let mut dense = 1u64;
        let in_order = layout.axes.iter().rev().filter(|axis| axis.0 > 1).all(|&(size, stride)| {
            let next = stride == dense;
            // Of a tensor without numbers the axes may be as long as they like.
            dense = dense.saturating_mul(size);
            next
        });
        if in_order {
            return Ok((shape, span));
        }
        self.budget.take(what, 4 * layout.count)?;
        let mut values = Vec::with_capacity(layout.count as usize);
        values.extend(layout.places().map(|place| span[place as usize]));
        Ok((shape, values))
    }

    /// The number in a tensor of one number. An integer beyond 2^53 is refused.
    pub fn number(&mut self, what: &str, view: &View) -> Result<f64, Fault> {
        let storage = Storage::of(what, self.pickle, view.storage)?;
        let layout = Layout::of(what, self.pickle, view, storage.length)?;
        if layout.count != 1 {
            return Err(invalid(what, format_args!("{} numbers, expected one", layout.count)));
        }
        let at = layout.offset;
        let whole = match storage.class {
            "FloatStorage" => return Ok(self.numbers::<f32>(what, &storage, at, 1)?[0].into()),
            "DoubleStorage" => return Ok(self.numbers::<f64>(what, &storage, at, 1)?[0]),
            "LongStorage" => self.numbers::<i64>(what, &storage, at, 1)?[0],
            "IntStorage" => self.numbers::<i32>(what, &storage, at, 1)?[0].into(),
            other => return Err(invalid(what, format_args!("{other} holds no such number"))),
        };
        if whole.unsigned_abs() > 1 << f64::MANTISSA_DIGITS {
            return Err(invalid(what, format_args!("{whole}, at most 2^53")));
        }
        Ok(whole as f64)
    }

    /// Numbers of a storage, from the one at `from` on.
    fn numbers<T: bytemuck::Pod>(
        &mut self,
        what: &str,
        storage: &Storage<'_>,
        from: u64,
        count: u64,
    ) -> Result<Vec<T>, Fault> {
        let width = size_of::<T>() as u64;
        let record = self.container.storage(storage.key)?;
        if storage.length.checked_mul(width) != Some(record.length) {
            let said = format!("its storage has {} bytes, not {}", record.length, storage.length);
            return Err(invalid(what, format_args!("{said} times {width}")));
        }
        self.budget.take(what, count * width)?;
        let mut numbers = vec![T::zeroed(); count as usize];
        let bytes = bytemuck::cast_slice_mut(&mut numbers);
        self.container.read(what, record, from * width, bytes)?;
        Ok(numbers)
    }
}
