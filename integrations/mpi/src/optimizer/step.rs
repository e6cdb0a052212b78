//! A step over ranks: entries travel to the ranks that own their rows, which step by them.

use super::send::Of;
use super::{ShardedOptimizer, Sums};
use crate::entries::{Dealt, Entries, Given, deal_out};
use crate::{Error, Gradient, Transport};
use sparse_adam::{Clip, ParamId, Reduction};

impl<T: Transport> ShardedOptimizer<T> {
    /// Steps the tables that `gradients` name, and those that gradients were given for since the last step
    /// ([`ShardedOptimizer::give`]), by the entries of all ranks: those of rank 0 in their order, then those of
    /// rank 1, and so on. Collective. Every rank names the same tables, also those that it has no entries of
    /// ([`Gradient::default`]); a table that is not named is skipped, and the step not counted for it. One
    /// command buffer is submitted on each rank's device; nothing waits for it.
    ///
    /// The bits are those of one device that is given the same entries in that order, unless ranks sum ([`Sums::Ranks`]).
    /// What was given is forgotten, also where the step fails.
    ///
    /// # Errors
    /// [`Error::WrongLength`], [`Error::NamedTwice`], [`sparse_adam::Error::UnknownParam`], [`Error::Unsupported`] for options that
    /// do not go with [`Sums`] of entries; [`Error::TooLarge`], [`Error::Core`]
    /// where this rank's device cannot take what it was sent; [`Error::Peer`], [`Error::Disagree`]: nothing changed on any rank.
    /// [`Error::RankLost`], [`Error::Garbled`], and what a device says once all ranks were ready (then that rank alone did not
    /// step): all later collective calls fail too.
    pub fn step(&mut self, gradients: &[(ParamId, Gradient<'_>)]) -> Result<(), Error> {
        let given = self.given(gradients);
        let named = given.iter().flatten().map(|(table, _)| *table);
        let doing = format!("step {} of {}", self.steps + 1, self.names(named));
        let given = self.meet(&doing, given)?;
        let dealt = self.deal_out(given);
        let received = match self.sums {
            Sums::Entries => self.send_entries(&dealt),
            Sums::Chunks => self.send_chunks(&dealt),
            Sums::Ranks => self.send_sums(&dealt),
        };
        let received = self.or_broken(received)?;
        let ready = self.make_ready(&received);
        if let Err(error) = self.meet("a step made ready", ready) {
            self.core.clear_grads();
            return Err(error);
        }
        let core = &mut self.core;
        let stepped = self.gpu.submit(|encoder| core.step(encoder)).map_err(Error::from);
        match &stepped {
            Ok(()) | Err(Error::Core(sparse_adam::Error::AfterStep { .. })) => {
                self.steps += 1;
                for (table, dealt) in dealt {
                    self.tables[table].1.out_of_range += dealt.out_of_range;
                }
            }
            Err(error) => self.broken = Some(error.clone()),
        }
        stepped
    }

    /// The gradients by table, each of which fits its table, with those that were given before.
    fn given<'a>(
        &mut self,
        gradients: &[(ParamId, Gradient<'a>)],
    ) -> Result<Vec<Of<Given<'a>>>, Error> {
        let mut given = std::mem::take(&mut self.given);
        for &(id, gradient) in gradients {
            let number = self.number(id)?;
            let shard = &self.tables[number].1;
            let (expected, found) = (gradient.ids.len() * shard.dim, gradient.values.len());
            if expected != found {
                let table = shard.name.clone();
                return Err(Error::WrongLength { table, expected, found });
            }
            given.push((number, gradient.into()));
        }
        given.sort_by_key(|(number, _)| *number);
        given.iter().try_for_each(|(number, _)| self.check_sums(self.tables[*number].0))?;
        match given.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            None => Ok(given),
            Some(pair) => Err(Error::NamedTwice { table: self.tables[pair[0].0].1.name.clone() }),
        }
    }

    fn deal_out(&self, given: Vec<Of<Given<'_>>>) -> Vec<Of<Dealt>> {
        let dealt = |(table, given): Of<Given<'_>>| {
            let shard = &self.tables[table].1;
            let given = match self.sums {
                Sums::Entries => given,
                Sums::Chunks | Sums::Ranks => given.spread(shard.dim),
            };
            (table, deal_out(shard.deal, shard.dim, &given))
        };
        given.into_iter().map(dealt).collect()
    }

    /// That a table's options do not look at entries that never arrive.
    fn check_sums(&self, id: ParamId) -> Result<(), Error> {
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
    fn make_ready(&mut self, received: &[Of<Entries>]) -> Result<(), Error> {
        self.core.clear_grads();
        for (table, entries) in received {
            let (id, shard) = &mut self.tables[*table];
            // A rank that received nothing counts the step all the same.
            let gradient = shard.inbox.fill(&self.gpu, (&shard.name, shard.dim), entries)?;
            self.core.set_grad(*id, gradient)?;
        }
        Ok(self.core.prepare()?)
    }
}
