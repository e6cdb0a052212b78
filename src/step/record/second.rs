//! The second uniforms of dispatches.

use super::{Binds, Recorder};
use crate::rule::{ROW_SEED, RowWords, Rule, Words};
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

impl StepOf {
    pub fn words(self) -> Words {
        self.rule.words(&self.options, self.number)
    }

    pub fn drawn(self) -> Drawn {
        let (step, seed) = (self.number as u32, self.seed);
        Drawn { rule: self.words(), step, seed, ..Default::default() }
    }

    pub fn row_words(self) -> RowWords {
        let mut words = self.rule.row_words(&self.options, self.number);
        words[ROW_SEED] = self.seed;
        words
    }
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
            Second::Rule { table } => self.uniforms.slot(guard, &step(table).words())?,
            Second::Drawn { table } => self.uniforms.slot(guard, &step(table).drawn())?,
            Second::RowRule { table } => self.uniforms.slot(guard, &step(table).row_words())?,
        })
    }
}
