//! A step over ranks: entries travel to the ranks that own their rows, which step by them.

use super::{ShardedOptimizer, Sums};
use crate::entries::{Entries, deal_out};
use crate::words::Reader;
use crate::{Error, Gradient, Transport};
use sparse_adam::ParamId;

/// Tables by number, in order, each with something of its own.
type ByTable<V> = Vec<(usize, V)>;

impl<T: Transport> ShardedOptimizer<T> {
    /// Steps the tables that `gradients` name, by the entries of all ranks: those of rank 0 in their order, then those of
    /// rank 1, and so on. Collective. Every rank names the same tables, also those that it has no entries of
    /// ([`Gradient::default`]); a table that is not named is skipped, and the step not counted for it. One
    /// command buffer is submitted on each rank's device; nothing waits for it.
    ///
    /// The bits are those of one device that is given the same entries in that order.
    ///
    /// # Errors
    /// [`Error::WrongLength`], [`Error::NamedTwice`], [`sparse_adam::Error::UnknownParam`]; [`Error::TooLarge`], [`Error::Core`]
    /// where this rank's device cannot take what it was sent; [`Error::Peer`], [`Error::Disagree`]: nothing changed on any rank.
    /// [`Error::RankLost`], [`Error::Garbled`], and what a device says once all ranks were ready (then that rank alone did not
    /// step): all later collective calls fail too.
    pub fn step(&mut self, gradients: &[(ParamId, Gradient<'_>)]) -> Result<(), Error> {
        let given = self.given(gradients);
        let doing = format!("step {} of {}", self.steps + 1, self.names(given.as_deref()));
        let given = self.meet(&doing, given)?;
        let (received, lost) = match self.sums {
            Sums::Entries => self.exchange_entries(&given)?,
        };
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
                for (table, entries) in lost {
                    self.tables[table].1.out_of_range += entries;
                }
            }
            Err(error) => self.broken = Some(error.clone()),
        }
        stepped
    }

    /// The gradients by table, each of which fits its table.
    fn given<'a>(
        &self,
        gradients: &[(ParamId, Gradient<'a>)],
    ) -> Result<ByTable<Gradient<'a>>, Error> {
        let mut given = Vec::with_capacity(gradients.len());
        for &(id, gradient) in gradients {
            let number = self.number(id)?;
            let shard = &self.tables[number].1;
            let (expected, found) = (gradient.ids.len() * shard.dim, gradient.values.len());
            if expected != found {
                let table = shard.name.clone();
                return Err(Error::WrongLength { table, expected, found });
            }
            given.push((number, gradient));
        }
        given.sort_by_key(|(number, _)| *number);
        match given.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            None => Ok(given),
            Some(pair) => Err(Error::NamedTwice { table: self.tables[pair[0].0].1.name.clone() }),
        }
    }

    fn names<V>(&self, given: Result<&[(usize, V)], &Error>) -> String {
        let names = given.unwrap_or_default().iter().map(|(table, _)| &self.tables[*table].1.name);
        format!("{:?}", names.collect::<Vec<_>>())
    }

    /// Sends every entry to the rank that owns its row. Returns the entries that this rank owns, and how many
    /// of its own named no row.
    fn exchange_entries(
        &mut self,
        given: &[(usize, Gradient<'_>)],
    ) -> Result<(ByTable<Entries>, ByTable<u64>), Error> {
        let mut messages = vec![Vec::new(); self.ranks.get() as usize];
        let mut lost = Vec::with_capacity(given.len());
        for &(table, gradient) in given {
            let shard = &self.tables[table].1;
            let dealt = deal_out(shard.deal, shard.dim, gradient);
            messages.iter_mut().zip(&dealt.blocks).for_each(|(words, block)| block.push(words));
            lost.push((table, dealt.out_of_range));
        }
        let messages = self.exchange(messages)?;
        let mut owned: ByTable<_> =
            given.iter().map(|(table, _)| (*table, Entries::default())).collect();
        for (rank, words) in (0..).zip(&messages) {
            let mut reader = Reader::new(rank, words);
            for (table, entries) in &mut owned {
                entries.append(self.tables[*table].1.dim, &mut reader)?;
            }
            reader.end()?;
        }
        Ok((owned, lost))
    }

    /// Gives the rank's own optimizer what it received, and makes all that its step needs.
    fn make_ready(&mut self, received: &[(usize, Entries)]) -> Result<(), Error> {
        self.core.clear_grads();
        for (table, entries) in received {
            let (id, shard) = &mut self.tables[*table];
            // A rank that received nothing counts the step all the same.
            let gradient = shard.inbox.fill(&self.gpu, &shard.name, entries)?;
            self.core.set_grad(*id, gradient)?;
        }
        Ok(self.core.prepare()?)
    }
}
