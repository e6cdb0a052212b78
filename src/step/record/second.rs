//! The second uniforms of dispatches.

use super::{Binds, Recorder};
use crate::rule::Rule;
use crate::step::layout::Drawn;
use crate::step::list::Second;
use crate::step::uniforms::Slot;
use crate::{AdamOptions, Error};

/// What is done to a table: by which rule and options, as which step (from 1), and what random bits are drawn
/// from.
#[derive(Clone, Copy, Debug)]
pub struct StepOf {
    pub rule: Rule,
    pub options: AdamOptions,
    pub number: u64,
    pub seed: u32,
}

impl Recorder {
    /// A second uniform.
    pub(super) fn second(
        &mut self,
        second: Second,
        tables: &impl Binds,
        step: &impl Fn(u32) -> StepOf,
    ) -> Result<Slot, Error> {
        let guard = &self.guard;
        Ok(match second {
            Second::Entries(entries) => self.uniforms.count(guard, entries)?,
            Second::Count { table, segment } => (tables.count(table, segment), 0),
            Second::Rule { table } => {
                let StepOf { rule, options, number, .. } = step(table);
                self.uniforms.slot(guard, &rule.words(&options, number))?
            }
            Second::Drawn { table } => {
                let StepOf { rule, options, number, seed } = step(table);
                let (rule, step) = (rule.words(&options, number), number as u32);
                self.uniforms.slot(guard, &Drawn { rule, step, seed, ..Default::default() })?
            }
            Second::RowRule { table } => {
                let StepOf { rule, options, number, .. } = step(table);
                self.uniforms.slot(guard, &rule.row_words(&options, number))?
            }
        })
    }
}
