//! A step over ranks: entries travel to the ranks that own their rows, which step by them.

use super::send::Of;
use super::{ShardedOptimizer, Sums};
use crate::entries::{Entries, Given};
use crate::received::Received;
use crate::{Error, Gradient, Transport};
use sparse_adam::{Clip, ParamId, Reduction};
use std::collections::BTreeMap;

impl<T: Transport> ShardedOptimizer<T> {
    /// Steps the tables that `gradients` name, and those that gradients were given for since the last step
    /// ([`ShardedOptimizer::give`]), by the entries of all ranks: those of rank 0 in their order, then those of
    /// rank 1, and so on. A table may have several gradients: of each, in the order in which they were given, all ranks' entries.
    /// Collective. Every rank names the same tables, also those that it has no entries of
    /// ([`Gradient::default`]); a table that is not named is skipped, and the step not counted for it. One
    /// command buffer is submitted on each rank's device; nothing waits for it, but where gradients are clipped by their norm
    /// ([`ShardedOptimizer::set_clip_grad_norm`]).
    ///
    /// The bits are those of one device that is given the same entries in that order (of several gradients by
    /// [`SparseAdam::accumulate_grad`](sparse_adam::SparseAdam::accumulate_grad)), unless ranks sum ([`Sums::Ranks`]).
    /// What was given is forgotten, also where the step fails.
    ///
    /// # Errors
    /// [`Error::WrongLength`], [`sparse_adam::Error::UnknownParam`], [`Error::Unsupported`] for options that
    /// do not go with [`Sums`] of entries; [`Error::TooLarge`], [`Error::Core`]
    /// where this rank's device cannot take what it was sent; [`Error::Peer`], [`Error::Disagree`]: nothing changed on any rank.
    /// [`Error::RankLost`], [`Error::Garbled`], and what a device says once all ranks were ready (then that rank alone did not
    /// step): all later collective calls fail too.
    pub fn step(&mut self, gradients: &[(ParamId, Gradient<'_>)]) -> Result<(), Error> {
        let sent = self.send_own(gradients);
        let received = std::mem::take(&mut self.received);
        sent?;
        let doing = format!("{}, made ready", self.step_of(received.keys().copied()));
        let outside: Vec<_> =
            received.iter().map(|(&table, received)| (table, received.out_of_range)).collect();
        let ready = self.make_ready(received);
        let stepped = self.step_ready(&doing, ready);
        match &stepped {
            Ok(()) | Err(Error::Core(sparse_adam::Error::AfterStep { .. })) => {
                self.steps += 1;
                for (table, count) in outside {
                    self.tables[table].1.out_of_range += count;
                }
            }
            Err(_) => self.core.clear_grads(),
        }
        stepped
    }

    /// What the next step is called, of tables.
    fn step_of(&self, tables: impl Iterator<Item = usize>) -> String {
        format!("step {} of {}", self.steps + 1, self.names(tables))
    }

    /// Sends the gradients that a step is given by itself.
    fn send_own(&mut self, gradients: &[(ParamId, Gradient<'_>)]) -> Result<(), Error> {
        if gradients.is_empty() {
            return Ok(());
        }
        let given = self.given(gradients);
        let own = given.iter().flatten().map(|(table, _)| *table);
        let before = self.received.iter().flat_map(|(&table, received)| {
            std::iter::repeat_n(table, received.gradients() as usize)
        });
        let doing = format!("{}, behind {}", self.step_of(own), self.names(before));
        self.send_gradients(&doing, given)
    }

    /// The gradients by table, each of which fits its table.
    fn given<'a>(
        &self,
        gradients: &[(ParamId, Gradient<'a>)],
    ) -> Result<Vec<Of<Given<'a>>>, Error> {
        let mut given = Vec::new();
        for &(id, gradient) in gradients {
            let number = self.number(id)?;
            let shard = &self.tables[number].1;
            let (expected, found) = (gradient.ids.len() * shard.dim, gradient.values.len());
            if expected != found {
                let table = shard.name.clone();
                return Err(Error::WrongLength { table, expected, found });
            }
            self.check_sums(id)?;
            given.push((number, gradient.into()));
        }
        // Ranks may name tables in any order; of one table, gradients stay in theirs.
        given.sort_by_key(|(number, _)| *number);
        Ok(given)
    }

    /// That a table's options do not look at entries that never arrive.
    pub(super) fn check_sums(&self, id: ParamId) -> Result<(), Error> {
        let options = self.core.options(self.core.group_of(id)?)?;
        let what = match (self.sums, options.clip, options.duplicates) {
            (Sums::Entries, ..) => return Ok(()),
            (_, Clip::Entries(_), _) => "Clip::Entries with sums of entries",
            (_, _, Reduction::Mean) => "Reduction::Mean with sums of entries",
            _ => return Ok(()),
        };
        Err(Error::Unsupported { what, remedy: "send every entry (Sums::Entries)" })
    }

    /// Gives the rank's own optimizer what it received, and makes all that its step needs.
    fn make_ready(&mut self, received: BTreeMap<usize, Received>) -> Result<(), Error> {
        self.core.clear_grads();
        for (table, received) in received {
            // Options may have changed since it was given.
            self.check_sums(self.tables[table].0)?;
            let (id, shard) = &mut self.tables[table];
            let entries: Entries = received.into_entries(shard.dim);
            // A rank that received nothing counts the step all the same.
            let gradient = shard.inbox.fill(&self.gpu, (&shard.name, shard.dim), &entries)?;
            self.core.set_grad(*id, gradient)?;
        }
        Ok(self.core.prepare()?)
    }

    /// Steps where every rank is ready.
    fn step_ready(&mut self, doing: &str, ready: Result<(), Error>) -> Result<(), Error> {
        if let Some(clip) = self.clip {
            return self.step_clipped(clip, doing, ready);
        }
        self.meet(doing, ready)?;
        let core = &mut self.core;
        let stepped = self.gpu.submit(|encoder| core.step(encoder)).map_err(Error::from);
        self.stepped(stepped)
    }

    /// What came of a step that all ranks were ready for: after a hook's error it is a step.
    pub(super) fn stepped(&mut self, stepped: Result<(), Error>) -> Result<(), Error> {
        match stepped {
            Ok(()) | Err(Error::Core(sparse_adam::Error::AfterStep { .. })) => stepped,
            Err(_) => self.link.or_broken(stepped),
        }
    }
}
