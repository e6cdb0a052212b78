//! What travels in a step: every entry, or the sums of whole chunks.

use super::ShardedOptimizer;
use crate::chunks::{Tally, by_row, completed, starts, sums};
use crate::entries::{Dealt, Entries};
use crate::words::Reader;
use crate::{Blocks, Error, Transport};
use sparse_adam::CHUNK;

/// A table by number, with something of its own.
pub(super) type Of<V> = (usize, V);

impl<T: Transport> ShardedOptimizer<T> {
    /// Sends every entry to the rank that owns its row. Returns those that this rank owns.
    pub(super) fn send_entries(&mut self, dealt: &[Of<Dealt>]) -> Result<Vec<Of<Entries>>, Error> {
        let mut messages = self.no_words();
        for (table, dealt) in dealt {
            let dim = self.tables[*table].1.dim;
            messages
                .iter_mut()
                .zip(&dealt.blocks)
                .for_each(|(words, block)| block.push(dim, words));
        }
        let messages = self.exchange(messages)?;
        let none = dealt.iter().map(|(table, _)| (*table, Entries::default()));
        let mut owned: Vec<_> = none.collect();
        for (rank, words) in (0..).zip(&messages) {
            let mut reader = Reader::new(rank, words);
            for (table, entries) in &mut owned {
                let dim = self.tables[*table].1.dim;
                entries.append(Entries::read(rank, dim, &mut reader)?, dim);
            }
            reader.end()?;
        }
        Ok(owned)
    }

    /// Sends the sum of each row's entries that this rank has.
    pub(super) fn send_sums(&mut self, dealt: &[Of<Dealt>]) -> Result<Vec<Of<Entries>>, Error> {
        let summed = |(table, dealt): &Of<Dealt>| {
            let dim = self.tables[*table].1.dim;
            let blocks = dealt.blocks.iter().map(|block| sums(block, dim)).collect();
            (*table, Dealt { blocks, ..*dealt })
        };
        let dealt: Vec<_> = dealt.iter().map(summed).collect();
        self.send_entries(&dealt)
    }

    /// Sends the sum of every chunk that is this rank's alone, and the entries beside them. Returns the sums
    /// of all chunks of the rows that this rank owns.
    pub(super) fn send_chunks(&mut self, dealt: &[Of<Dealt>]) -> Result<Vec<Of<Entries>>, Error> {
        // By table, then by owner.
        let by_row = dealt.iter().map(|(table, dealt)| {
            let dim = self.tables[*table].1.dim;
            dealt.blocks.iter().map(|block| by_row(block, dim)).collect::<Vec<_>>()
        });
        let own: Vec<_> = by_row.collect();
        let mut messages = self.no_words();
        for own in &own {
            messages.iter_mut().zip(own).for_each(|(words, (tally, _))| tally.push(words));
        }
        let tallies = self.exchange(messages)?;
        let tallies = tables(&tallies, dealt.len(), |_, rank, reader| Tally::read(rank, reader))?;
        let starts: Vec<_> = tallies.iter().map(|tallies| starts(tallies)).collect();
        let mut messages = self.no_words();
        for starts in &starts {
            messages.iter_mut().zip(starts).for_each(|(words, starts)| words.extend(starts));
        }
        let places = self.exchange(messages)?;
        let places = tables(&places, dealt.len(), |table, rank, reader| {
            let (tally, _) = &own[table][rank as usize];
            let places = reader.take(tally.rows.len() as u64)?.to_vec();
            match places.iter().all(|&place| place < CHUNK) {
                true => Ok(places),
                false => Err(Error::Garbled { rank }),
            }
        })?;
        let mut messages = self.no_words();
        for (((table, _), own), places) in dealt.iter().zip(&own).zip(&places) {
            let dim = self.tables[*table].1.dim;
            for ((words, (tally, values)), places) in messages.iter_mut().zip(own).zip(places) {
                let pieces = tally.pieces(places, values, dim);
                words.extend_from_slice(bytemuck::cast_slice(&pieces));
            }
        }
        let received = self.exchange(messages)?;
        let dim = |table: usize| self.tables[dealt[table].0].1.dim;
        let pieces = tables(&received, dealt.len(), |table, rank, reader| {
            let rank = rank as usize;
            let rows = tallies[table][rank].sent(&starts[table][rank]);
            Ok(bytemuck::cast_slice(reader.take(rows * dim(table) as u64)?).to_vec())
        })?;
        let completed = |(number, (table, _)): (usize, &Of<Dealt>)| {
            let pieces: Vec<_> = pieces[number].iter().map(Vec::as_slice).collect();
            (*table, completed(&tallies[number], &starts[number], &pieces, dim(number)))
        };
        Ok(dealt.iter().enumerate().map(completed).collect())
    }

    pub(super) fn no_words(&self) -> Blocks {
        vec![Vec::new(); self.ranks.get() as usize]
    }
}

/// Reads a message of each rank, with a part for each of `count` tables: `read` is given a table's number, the rank
/// and what is left of its message. By table, then by rank.
pub(super) fn tables<V>(
    messages: &Blocks,
    count: usize,
    read: impl Fn(usize, u32, &mut Reader<'_>) -> Result<V, Error>,
) -> Result<Vec<Vec<V>>, Error> {
    let mut tables: Vec<Vec<V>> = (0..count).map(|_| Vec::new()).collect();
    for (rank, words) in (0..).zip(messages) {
        let mut reader = Reader::new(rank, words);
        for (table, parts) in tables.iter_mut().enumerate() {
            parts.push(read(table, rank, &mut reader)?);
        }
        reader.end()?;
    }
    Ok(tables)
}
