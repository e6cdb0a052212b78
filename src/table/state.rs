//! What an optimizer remembers of a table.

use super::arena::{self, Part};
use super::{Table, TableWindow};
use crate::format::RowBytes;
use crate::guard::Guard;
use crate::step::shape::DeviceShape;
use crate::{Error, Region, Rounding};
use wgpu::Buffer;

/// What a rule remembers of a table, and its step count.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub step: u64,
    /// How its steps round: with the seed that they began with.
    pub rounding: Rounding,
    /// Per window: `[rows, fields, dim]`, the fields of the rule's state in their order; moments in bf16 lie
    /// together, a word of both per value.
    pub windows: Vec<Region>,
    /// Per window: u32 `[rows, fields]`, those of its rows; none where rows have nothing of their own.
    pub rows: Vec<Region>,
}

impl State {
    /// A zeroed state of a table as it lies, at step 0.
    ///
    /// # Errors
    /// As [`Guard::buffer`].
    pub fn new(guard: &Guard, table: &Table) -> Result<Self, Error> {
        Self::of_windows(guard, table, &table.windows, None)
    }

    /// Zeroed states of tables that have these windows, at step 0. Small ones of tables whose parameters lie in one buffer lie in
    /// one buffer too.
    ///
    /// # Errors
    /// As [`Guard::buffer`].
    pub fn of_all<'a>(
        guard: &Guard,
        tables: impl Iterator<Item = (&'a Table, &'a [TableWindow])> + Clone,
        device: DeviceShape,
    ) -> Result<Vec<Self>, Error> {
        let asked = tables.clone().map(|(table, windows)| (windows, table.row_bytes.state));
        let (blocks, parts) = arena::deal(asked, device);
        let made = blocks.sizes.iter().map(|&size| guard.storage("sparse_adam::state", size));
        let blocks = made.collect::<Result<Vec<Buffer>, _>>()?;
        let state = |((table, windows), part): ((&Table, &[TableWindow]), Option<Part>)| {
            let part = part.map(|Part { block, offset }| (&blocks[block], offset));
            Self::of_windows(guard, table, windows, part)
        };
        tables.zip(parts).map(state).collect()
    }

    /// One whose only window lies in a buffer from an offset on, or that has buffers of its own.
    fn of_windows(
        guard: &Guard,
        table: &Table,
        windows: &[TableWindow],
        part: Option<(&Buffer, u64)>,
    ) -> Result<Self, Error> {
        let RowBytes { state, rows, .. } = table.row_bytes;
        let made = |label, row_bytes| {
            let bytes = move |window: &TableWindow| u64::from(window.rows) * row_bytes;
            windows.iter().map(move |window| guard.storage(label, bytes(window)).map(Region::from))
        };
        let windows = match (part, windows) {
            (Some((buffer, offset)), [window]) => {
                vec![Region::new(buffer, offset, u64::from(window.rows) * state)]
            }
            _ => made("sparse_adam::state", state).collect::<Result<_, _>>()?,
        };
        let rows = match rows {
            0 => Vec::new(),
            rows => made("sparse_adam::row_state", rows).collect::<Result<_, _>>()?,
        };
        Ok(Self { step: 0, rounding: table.storage.rounding, windows, rows })
    }

    /// Where it lies.
    pub fn regions(&self) -> impl Iterator<Item = &Region> {
        self.windows.iter().chain(&self.rows)
    }
}
