//! Rows that are behind, brought up to date.

use crate::format::{Format, Formats};
use crate::step::list::Behind;
use crate::step::shape::Window;
use crate::table::Table;
use crate::{Error, ParamId, Scalars, SparseAdam};
use std::sync::Arc;
use wgpu::CommandEncoder;

impl SparseAdam {
    /// Records what brings every row up to the steps that its parameter has counted, where the options have a
    /// [`CatchUp`](crate::CatchUp): before rows are read that a step has not just named (an evaluation, a
    /// checkpoint of the parameters, the end of a run). Nothing is recorded where no row is ever behind. It costs a pass over such
    /// parameters and their state.
    ///
    /// What is made up for is at the options of this call. With [`CatchUp::Decay`](crate::CatchUp::Decay) training goes on
    /// as if nothing had been made up for early, but for rounding, while these stay. With [`CatchUp::Momentum`](crate::CatchUp::Momentum) a row takes the steps that it is owed, that of its last
    /// gradient among them, and the moments decay; what comes later is corrected by this step in the
    /// place of the last one that named the row. No step is counted, and a second flush changes nothing.
    ///
    /// Numbers in 16 bits are rounded once in it. With [`Rounding::Nearest`](crate::Rounding::Nearest) what is made up for is lost where it is
    /// less than half a spacing, and it is less the more often rows are flushed; with
    /// [`Rounding::Stochastic`](crate::Rounding::Stochastic) it is kept on average, by random bits of seed, row, column and the
    /// step that the row is brought up to, its new `prev_iter`. No step draws the same.
    ///
    /// # Errors
    /// [`Error::InvalidBuffer`] of a parameter's buffer, or one of the scalars', that the device can no longer use; [`Error::OutOfMemory`],
    /// [`Error::DeviceLost`], [`Error::Refused`]. Nothing was recorded then.
    pub fn flush(&mut self, encoder: &mut CommandEncoder) -> Result<(), Error> {
        self.flush_tables(encoder, None)
    }

    /// As [`SparseAdam::flush`], of one parameter.
    ///
    /// # Errors
    /// As [`SparseAdam::flush`]; [`Error::UnknownParam`].
    pub fn flush_param(
        &mut self,
        encoder: &mut CommandEncoder,
        param: ParamId,
    ) -> Result<(), Error> {
        let number = self.number_of(param)?;
        self.flush_tables(encoder, Some(number))
    }

    /// How often [`SparseAdam::flush`] or [`SparseAdam::flush_param`] has brought a parameter's rows up to date: for who keeps
    /// others of its rows elsewhere.
    ///
    /// # Errors
    /// [`Error::UnknownParam`].
    pub fn flush_count(&self, param: ParamId) -> Result<u64, Error> {
        Ok(self.table(param)?.flushes)
    }

    /// Flushes all tables, or one.
    fn flush_tables(
        &mut self,
        encoder: &mut CommandEncoder,
        only: Option<usize>,
    ) -> Result<(), Error> {
        self.begin()?;
        let guard = Arc::clone(&self.recorder.guard);
        let asked = |number: &usize| only.is_none_or(|only| only == *number);
        let all = (0..self.tables.len()).filter(asked);
        let behind: Vec<usize> = all.filter(|&number| self.tables[number].is_behind()).collect();
        if behind.is_empty() {
            return Ok(());
        }
        let placed = behind.iter().flat_map(|&number| self.tables[number].placed());
        let scalars = self.scalars.iter().flat_map(Scalars::given);
        self.recorder.witness.check(&guard, placed.chain(scalars))?;
        let each = behind.iter().flat_map(|&number| windows(number as u32, &self.tables[number]));
        self.recorder.prepare_flush(each);
        let (tables, groups) = (&self.tables, &self.groups);
        self.recorder.make_ready(tables, |number| {
            let table = &tables[number as usize];
            let step = table.state.as_ref().map_or(0, |state| state.step);
            table.step_of(groups, table.rule.behind(step).unwrap_or(step))
        })?;
        if let (Some(scalars), Some(held)) = (&self.scalars, &self.recorder.scalars) {
            scalars.copy(encoder, held);
        }
        self.recorder.record_ready(encoder, "sparse_adam::flush");
        for number in behind {
            self.tables[number].flushes += 1;
        }
        Ok(())
    }
}

impl Table {
    /// Whether any of its rows may be behind.
    fn is_behind(&self) -> bool {
        let has_stepped = self.state.as_ref().is_some_and(|state| state.step > 0);
        has_stepped && self.rule.behind(0).is_some()
    }
}

fn windows(number: u32, table: &Table) -> impl Iterator<Item = Behind> {
    (0..).zip(&table.windows).map(move |(window, held)| Behind {
        table: number,
        window,
        rows: Window { first_row: held.first_row, rows: held.rows },
        geometry: table.geometry,
        rule: table.rule,
        formats: Formats::of(table.storage, Format::F32),
    })
}
