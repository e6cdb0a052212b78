//! Reading the numbers of tensors.

use super::container::Container;
use super::pickle::{Pickle, View};
use super::storage::{Layout, Storage};
use crate::tensor_file::{Budget, Fault, invalid};
use std::io::{Read, Seek};

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
