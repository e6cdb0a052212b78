//! Rows that begin anew where they are.

use super::remapping::windows_of;
use crate::places::overlap;
use crate::region::Spot;
use crate::step::list::{Bind, Resetting, Second};
use crate::step::record::Binds;
use crate::table::Table;
use crate::{Error, ParamId, Region, RowList, SparseAdam};
use wgpu::{Buffer, BufferUsages, CommandEncoder};

impl SparseAdam {
    /// Records that rows begin anew, of each of the parameters the same: their moments and all else that rows have become zero,
    /// as if no step had named them. So ids that were given up go to new owners. The parameters' own rows are the caller's to
    /// fill.
    ///
    /// It is recorded as a step is: steps recorded before still see the old state. How many rows are meant may be known to the
    /// GPU alone ([`RowList::count`]). Gradients that are set stay as they are. Where there are no parameters, or no room in the
    /// list, nothing is done.
    ///
    /// # Errors
    /// [`Error::UnknownParam`]; [`Error::Unsupported`] for a parameter that is named twice; [`Error::BufferTooSmall`],
    /// [`Error::MissingUsage`], [`Error::Misaligned`] and [`Error::TooLarge`] for the list and its count;
    /// [`Error::Overlap`] where the list has bytes of a parameter; [`Error::InvalidBuffer`], [`Error::OutOfMemory`],
    /// [`Error::DeviceLost`], [`Error::Refused`]. Then nothing was recorded.
    pub fn reset_rows(
        &mut self,
        encoder: &mut CommandEncoder,
        params: impl IntoIterator<Item = ParamId>,
        rows: RowList,
    ) -> Result<(), Error> {
        self.begin()?;
        let mut numbers: Vec<usize> = Vec::new();
        for param in params {
            let number = self.number_of(param)?;
            if numbers.contains(&number) {
                let (what, remedy) = ("resetting a parameter twice in one call", "name it once");
                return Err(Error::Unsupported { what, remedy });
            }
            numbers.push(number);
        }
        let list = rows.check(self.recorder.shape)?;
        let Some(&first) = numbers.first().filter(|_| list.nnz > 0) else { return Ok(()) };
        self.check_list(&list, first)?;
        // Of its own for each call: what it is copied to must not change before the dispatches have read it.
        let usage = BufferUsages::UNIFORM | BufferUsages::COPY_DST;
        let made = |_: &Region| self.recorder.guard.buffer("sparse_adam::count", 16, usage);
        let count = list.count.as_ref().map(made).transpose()?;
        let cut: Vec<_> =
            numbers.iter().map(|&number| windows_of(&self.tables[number].windows)).collect();
        let resetting = numbers.iter().zip(&cut).map(|(&number, windows)| Resetting {
            table: number as u32,
            bytes: self.tables[number].row_bytes,
            has_state: self.tables[number].state.is_some(),
            windows,
        });
        let counted = match count {
            Some(_) => Second::Count { table: 0, segment: 0 },
            None => Second::Entries(list.nnz),
        };
        self.recorder.prepare_reset(resetting, list.nnz, counted)?;
        let (tables, groups) = (&self.tables, &self.groups);
        let on = Resets { tables, rows: &list.rows, count: count.as_ref() };
        self.recorder.make_ready(&on, |number| tables[number as usize].step_of(groups, 0))?;
        self.trust(&[]);
        if let (Some(given), Some(held)) = (&list.count, &count) {
            encoder.copy_buffer_to_buffer(given.buffer(), given.offset(), held, 0, 4);
        }
        self.recorder.record_ready(encoder, "sparse_adam::reset_rows");
        Ok(())
    }

    /// Checks that the device can use a list's buffers, and that it is no parameter's.
    fn check_list(&mut self, list: &RowList, first: usize) -> Result<(), Error> {
        let name = self.tables[first].name.as_str();
        if let Some(owner) = self.places.owners(&list.rows).next() {
            let owner = &self.tables[owner].name;
            return Err(overlap(("parameter", owner), ("list of rows", name)));
        }
        let given = [(name, "list of rows", &list.rows)];
        self.recorder.witness.check(&self.recorder.guard, given.into_iter())?;
        match &list.count {
            Some(count) => self.recorder.check_copied("count of the list of rows", count),
            None => Ok(()),
        }
    }
}

/// Tables of which rows are reset, which ones, and how many.
struct Resets<'a> {
    tables: &'a Vec<Table>,
    rows: &'a Region,
    count: Option<&'a Buffer>,
}

impl Binds for Resets<'_> {
    fn bytes_of(&self, bind: Bind) -> Option<Spot<'_>> {
        match bind {
            Bind::Rows { first, entries } => {
                Some(self.rows.spot().part(4 * u64::from(first), 4 * u64::from(entries)))
            }
            of_table => self.tables.bytes_of(of_table),
        }
    }

    fn count(&self, table: u32, segment: u32) -> Region {
        self.count.map_or_else(|| self.tables.count(table, segment), Region::from)
    }
}
