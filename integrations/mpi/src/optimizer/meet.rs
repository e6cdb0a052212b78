//! What ranks tell one another of their optimizers.

use super::ShardedOptimizer;
use crate::{Blocks, Error, Transport};

impl<T: Transport> ShardedOptimizer<T> {
    /// Goes on with `mine` where every rank can ([`Link::meet`](crate::link::Link::meet)).
    pub(super) fn meet<V>(&mut self, doing: &str, mine: Result<V, Error>) -> Result<V, Error> {
        let mine = mine.map(|mine| (mine, self.link.no_words()));
        Ok(self.send(doing, mine)?.0)
    }

    /// The same, where ranks send something too.
    pub(super) fn send<V>(
        &mut self,
        doing: &str,
        mine: Result<(V, Blocks), Error>,
    ) -> Result<(V, Blocks), Error> {
        let settings = self.settings();
        self.link.meet((doing, settings), mine)
    }

    /// A number that ranks with other tables, counts of steps, options or sums do not share.
    pub(super) fn settings(&self) -> u64 {
        let mut text = format!("{:?} {:?}", self.sums, self.clip);
        for (group, tables) in &self.groups {
            text += &format!("{tables} {:?}", self.core.options(*group));
        }
        for (id, _) in &self.tables {
            text += &format!(" {:?}", self.core.step_count(*id));
        }
        // FNV-1a.
        let hash = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        text.bytes().fold(0xcbf2_9ce4_8422_2325, hash)
    }
}
