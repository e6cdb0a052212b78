//! What the last checkpoint of a table is of.

use super::folded::Pages;
use crate::{Error, Layout, Mark};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub rows: u64,
    /// Bytes of weights, moments and row state.
    pub layout: [u32; 3],
    /// Steps, options, formats and note.
    pub mark: Option<(u64, String, String, String)>,
    /// Number and bytes of each log, the newest last.
    pub logs: Vec<(u64, u64)>,
    /// Which rows the base has; None: none.
    pub folded: Option<Pages>,
}

impl Manifest {
    /// Of a table that was just made.
    pub fn new(rows: u64, layout: Layout) -> Self {
        let Layout { weights, moments, row_state } = layout;
        let layout = [weights, moments, row_state];
        Self { rows, layout, mark: None, logs: vec![(0, 0)], folded: None }
    }

    pub fn mark(&self) -> Option<Mark> {
        let (steps, options, stored, note) = self.mark.clone()?;
        Some(Mark { steps, options, stored, note })
    }

    /// With another mark, of these logs.
    pub fn marked(&self, mark: Mark, logs: Vec<(u64, u64)>) -> Self {
        let Mark { steps, options, stored, note } = mark;
        Self { mark: Some((steps, options, stored, note)), logs, ..self.clone() }
    }

    /// Checks that it is of these records.
    pub fn check(&self, rows: u64, layout: Layout) -> Result<(), Error> {
        let expected = Self::new(rows, layout);
        if (self.rows, self.layout) == (expected.rows, expected.layout) && !self.logs.is_empty() {
            return Ok(());
        }
        Err(Error::Mismatch {
            what: "rows and bytes of their parts",
            expected: format!("{rows}, {:?}", expected.layout),
            found: format!("{}, {:?}", self.rows, self.layout),
        })
    }
}
