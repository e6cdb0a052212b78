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
    /// The group whose options they are.
    pub group: usize,
    pub options: AdamOptions,
    pub number: u64,
    pub seed: u32,
}

/// The words of the rule that a step had last: tables of a group are mostly at the same number, and powers take a while.
#[derive(Debug, Default)]
pub(super) struct LastWords(Option<((Rule, usize, u64), Words)>);

impl LastWords {
    pub(super) fn of(&mut self, step: StepOf) -> Words {
        let of = (step.rule, step.group, step.number);
        match self.0 {
            Some((last, words)) if last == of => words,
            _ => self.0.insert((of, step.words())).1,
        }
    }
}

impl StepOf {
    pub fn words(self) -> Words {
        self.rule.words(&self.options, self.number)
    }

    /// Those that are drawn with, which has the rule's `words` too.
    pub fn drawn(self, words: Words) -> Drawn {
        Drawn { rule: words, step: self.number as u32, seed: self.seed, ..Default::default() }
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
            Second::Rule { table } => {
                self.uniforms.slot(guard, &self.last_words.of(step(table)))?
            }
            Second::Drawn { table } => {
                let (step, words) = (step(table), self.last_words.of(step(table)));
                self.uniforms.slot(guard, &step.drawn(words))?
            }
            Second::RowRule { table } => self.uniforms.slot(guard, &step(table).row_words())?,
        })
    }
}
