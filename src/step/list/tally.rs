//! What is counted of an index list that several tables have.

use super::{Bind, List, Live};
use crate::step::demand::TableDemand;
use crate::step::kernel::Kernel;
use crate::step::layout::{Config, TallyConfig};
use crate::step::shape::{Grid, Launch};
use crate::step::stages::Stage;

/// Tables whose status one dispatch binds beside the tally: four storage buffers in all.
const AT_ONCE: usize = 3;

impl Live<'_> {
    /// Where the stages count that look at its index list.
    pub(super) fn counts(self) -> Bind {
        let table = self.asked.table;
        if self.asked.tallied { Bind::Tally { table } } else { Bind::Status { table } }
    }
}

impl List<'_> {
    /// Of each list that several tables have, what was counted goes to all of them.
    pub(super) fn tallies(&mut self, tables: &[TableDemand]) {
        for (position, maker) in (0..).zip(tables).filter(|(_, table)| table.tallied) {
            let has = |table: &&TableDemand| table.shares == Some(position);
            let takers = tables.iter().filter(has);
            let all: Vec<u32> = [maker].into_iter().chain(takers).map(|of| of.table).collect();
            let groups = all.len().div_ceil(AT_ONCE);
            for (number, group) in all.chunks(AT_ONCE).enumerate() {
                let is_last = number + 1 == groups;
                self.tally(maker.table, group, is_last);
            }
        }
    }

    fn tally(&mut self, maker: u32, group: &[u32], is_last: bool) {
        let tables = group.len() as u32;
        let config = TallyConfig { tables, is_last: is_last.into(), ..Default::default() };
        let status = |at: usize| match group.get(at) {
            Some(&table) => Bind::Status { table },
            None => Bind::Placeholder(at as u32),
        };
        let bound = [Bind::Tally { table: maker }, status(0), status(1), status(2)];
        let launch = Launch { grid: Grid { x: 1, y: 1 }, turns: 0 };
        self.dispatch(Kernel::of(Stage::Tally), Config::Tally(config), bound, launch);
    }
}

#[cfg(test)]
#[path = "tally_tests.rs"]
mod tests;
