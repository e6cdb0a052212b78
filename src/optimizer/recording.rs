//! One step of all parameters: made, then counted, then recorded.

use crate::guard::Guard;
use crate::step::scratch::Scratch;
use crate::table::{Extras, State, Table};
use crate::{Error, Scalars, SparseAdam, Timestamps};
use std::sync::Arc;
use wgpu::CommandEncoder;

/// What a step has changed so far, as it was.
#[derive(Debug)]
pub(super) struct Undo {
    scratch: Scratch,
    extras: Vec<(usize, Extras)>,
    /// Tables whose state the step has made.
    made: Vec<usize>,
}

impl SparseAdam {
    /// Records a step of every parameter that has a gradient.
    ///
    /// # Errors
    /// Those of [`SparseAdam::step`]; then nothing was recorded or counted.
    pub(crate) fn record_step(
        &mut self,
        encoder: &mut CommandEncoder,
        timestamps: Option<Timestamps<'_>>,
    ) -> Result<(), Error> {
        self.ready_step(timestamps)?;
        self.count_step();
        self.copy_scalars(encoder);
        self.recorder.record(encoder, &self.tables, timestamps);
        Ok(())
    }

    /// Has all of a step ready to be recorded; what that changed.
    pub(super) fn ready_step(&mut self, timestamps: Option<Timestamps<'_>>) -> Result<Undo, Error> {
        // Whether the device lives, the list finds out on its way.
        self.settle()?;
        if let Some(timestamps) = timestamps {
            self.recorder.guard.alive()?;
            timestamps.check(&self.recorder.guard)?;
        }
        let scratch = self.recorder.scratch.clone();
        let mut undo = Undo { scratch, extras: Vec::new(), made: Vec::new() };
        if let Err(error) = self.make_ready(&mut undo) {
            self.undo(undo);
            return Err(error);
        }
        self.trust(&undo.made);
        Ok(undo)
    }

    pub(super) fn count_step(&mut self) {
        for table in self.tables.iter_mut().filter(|table| table.has_grad) {
            if let Some(state) = &mut table.state {
                state.step += 1;
            }
        }
    }

    /// Copies the caller's scalars to where a step reads them.
    pub(super) fn copy_scalars(&self, encoder: &mut CommandEncoder) {
        if let (Some(scalars), Some(held)) = (&self.scalars, &self.recorder.scalars) {
            scalars.copy(encoder, held);
        }
    }

    /// Makes all that the step needs, and writes down in `undo` what that changes.
    fn make_ready(&mut self, undo: &mut Undo) -> Result<(), Error> {
        let guard = Arc::clone(&self.recorder.guard);
        let given = self.tables.iter().flat_map(|table| table.given());
        let scalars = self.scalars.iter().flat_map(Scalars::given);
        self.recorder.witness.check(&guard, given.chain(scalars))?;
        self.recorder.prepare(&self.tables)?;
        for (number, table) in self.tables.iter_mut().enumerate() {
            table.check_steps()?;
            if let Some(extras) = table.more_extras(&guard)? {
                undo.extras.push((number, std::mem::replace(&mut table.extras, extras)));
            }
        }
        self.make_states(&guard, undo)?;
        let (tables, groups) = (&self.tables, &self.groups);
        self.recorder.make_ready(tables, |number| {
            let table = &tables[number as usize];
            // The step is counted once it is known that it can be recorded.
            let counted = table.state.as_ref().map_or(0, |state| state.step);
            table.step_of(groups, counted + 1)
        })
    }

    /// Makes the states of tables that have their first gradient.
    fn make_states(&mut self, guard: &Guard, undo: &mut Undo) -> Result<(), Error> {
        let is_new = |table: &Table| table.has_grad && table.state.is_none();
        if !self.tables.iter().any(is_new) {
            return Ok(());
        }
        let new = self.tables.iter().filter(|table| is_new(table));
        let new = new.map(|table| (table, &*table.windows));
        let made = State::of_all(guard, new, self.recorder.shape)?;
        let tables = self.tables.iter_mut().enumerate().filter(|(_, table)| is_new(table));
        for ((number, table), made) in tables.zip(made) {
            table.state = Some(made);
            undo.made.push(number);
        }
        Ok(())
    }

    pub(super) fn undo(&mut self, Undo { scratch, extras, made }: Undo) {
        self.recorder.scratch = scratch;
        for (number, extras) in extras {
            self.tables[number].extras = extras;
        }
        for number in made {
            self.tables[number].state = None;
        }
    }
}
