//! What a call asks before it does anything: does the device live, and was all that was made before
//! really made?
//!
//! Natively the second question has no late answers. In a browser it has: the device says only
//! later that it had no memory. What was recorded since then was refused by the device, with all
//! else that is in the same command buffers, so the host's state goes back to before it.

use super::norm::Norm;
use super::scalars;
use crate::before::Before;
use crate::step::record::Recorder;
use crate::table::{Extras, Statuses};
use crate::{Error, SparseAdam};
use std::collections::BTreeMap;
use std::sync::Arc;

impl SparseAdam {
    /// To be called first by every call that changes something.
    ///
    /// # Errors
    /// [`Error::DeviceLost`]; as [`SparseAdam::settle`].
    pub(crate) fn begin(&mut self) -> Result<(), Error> {
        self.recorder.guard.alive()?;
        self.settle()
    }

    /// Looks at verdicts that came late.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] and [`Error::Refused`] for what was made before, which is taken back
    /// then.
    pub(crate) fn settle(&mut self) -> Result<(), Error> {
        let guard = &self.recorder.guard;
        let refused = guard.refused();
        if let Err(refusal) = &refused {
            guard.forget(refusal.clone());
            self.take_back();
        } else if !guard.is_open() {
            self.before = None;
        }
        refused
    }

    /// To be called before the host's state changes, once the device has been asked for all that the
    /// change needs. States of the tables `made` are part of the change.
    pub(crate) fn trust(&mut self, made: &[usize]) {
        if self.before.is_none() && self.recorder.guard.is_open() {
            let state = |(number, table): (usize, &crate::table::Table)| {
                table.state.clone().filter(|_| !made.contains(&number))
            };
            let states = self.tables.iter().enumerate().map(state).collect();
            self.before = Some(Before { states, lain: BTreeMap::new(), groups: None });
        }
    }

    /// As [`SparseAdam::trust`], where options of groups are about to change too.
    pub(crate) fn trust_groups(&mut self) {
        self.trust(&[]);
        if let Some(before) = &mut self.before {
            before.groups.get_or_insert_with(|| self.groups.clone());
        }
    }

    fn take_back(&mut self) {
        let guard = Arc::clone(&self.recorder.guard);
        // Here no refusal comes at once: it would be told by the next call.
        // Any pipeline may be what was refused, so other optimizers of the kit build theirs anew too.
        self.recorder.kit.pipelines().forget();
        let (kit, family) = (self.recorder.kit.clone(), self.recorder.family);
        if let Ok(recorder) = Recorder::new(Arc::clone(&guard), kit, family) {
            // What was asked of it stays, in a buffer of its own.
            let held = self.scalars.as_ref().and_then(|_| scalars::buffer(&guard).ok());
            let norm = self.recorder.norm.take();
            self.recorder = recorder;
            self.recorder.scalars = held;
            // Rather one that the device may have refused than a step that is not clipped.
            self.recorder.norm = norm.map(|norm| Norm::new(&guard, norm.asked).unwrap_or(norm));
        }
        for table in &mut self.tables {
            table.extras = Extras::default();
        }
        // What it was to deal out may have been refused too.
        self.statuses = Statuses::default();
        let Some(Before { states, lain, groups }) = self.before.take() else { return };
        let known = states.len();
        for (table, state) in self.tables.iter_mut().zip(states) {
            table.state = state;
        }
        // All of them first, as one may lie where another was before.
        for &number in lain.keys() {
            self.leave_place(number);
        }
        for (number, lain) in lain {
            self.remap_back(number, lain);
        }
        for table in &mut self.tables[known..] {
            table.state = None;
            if let Ok(status) = self.statuses.take(&guard, self.recorder.shape) {
                table.status = status;
            }
        }
        if let Some(groups) = groups {
            for (group, before) in self.groups.iter_mut().zip(groups) {
                *group = before;
            }
            self.follow_groups();
        }
    }
}
