//! What travels of gradients: every entry, or sums of them.

use super::{ShardedOptimizer, Sums};
use crate::chunks::{Tally, by_row, sums};
use crate::entries::{Dealt, Entries, Given, deal_out};
use crate::received::Received;
use crate::words::Reader;
use crate::{Blocks, Error, Transport};
use sparse_adam::CHUNK;
use std::ops::Range;

/// A table by number, with something of its own.
pub(super) type Of<V> = (usize, V);

/// What a rank has for an owner, by row.
type ByRow = (Tally, Vec<f32>);

/// A gradient that travels as chunks: what this rank has for each owner, and how many entries named no row.
type Chunked = (Vec<ByRow>, u64);

impl<T: Transport> ShardedOptimizer<T> {
    /// Sends gradients to the ranks that own their rows, where every rank can; what this one is sent is kept for the next step.
    pub(super) fn send_gradients(
        &mut self,
        doing: &str,
        given: Result<Vec<Of<Given<'_>>>, Error>,
    ) -> Result<(), Error> {
        let dealt = given.map(|given| self.deal_out(given));
        match self.sums {
            Sums::Entries | Sums::Ranks => self.send_entries(doing, dealt),
            Sums::Chunks => self.send_chunks(doing, dealt),
        }
    }

    /// By owner: entries as they are, or for sums a value row for each, or with [`Sums::Ranks`] the sum of each row's.
    fn deal_out(&self, given: Vec<Of<Given<'_>>>) -> Vec<Of<Dealt>> {
        let dealt = |(table, given): Of<Given<'_>>| {
            let (deal, dim) = (self.tables[table].1.deal, self.tables[table].1.dim);
            let dealt = match self.sums {
                Sums::Entries => deal_out(deal, dim, &given),
                Sums::Chunks => deal_out(deal, dim, &given.spread(dim)),
                Sums::Ranks => {
                    let dealt = deal_out(deal, dim, &given.spread(dim));
                    let blocks = dealt.blocks.iter().map(|block| sums(block, dim)).collect();
                    Dealt { blocks, ..dealt }
                }
            };
            (table, dealt)
        };
        given.into_iter().map(dealt).collect()
    }

    fn send_entries(
        &mut self,
        doing: &str,
        dealt: Result<Vec<Of<Dealt>>, Error>,
    ) -> Result<(), Error> {
        let mine = dealt.map(|dealt| {
            let mut messages = self.link.no_words();
            let mut own = Vec::new();
            for (table, Dealt { blocks, out_of_range }) in dealt {
                let dim = self.tables[table].1.dim;
                messages.iter_mut().zip(blocks).for_each(|(words, block)| block.push(dim, words));
                own.push((table, out_of_range));
            }
            (own, messages)
        });
        let (own, messages) = self.send(doing, mine)?;
        let read = tables(&messages, own.len(), |number, rank, reader| {
            Entries::read(rank, self.tables[own[number].0].1.dim, reader)
        });
        let read = self.link.or_broken(read)?;
        for ((table, out_of_range), by_rank) in own.into_iter().zip(read) {
            let dim = self.tables[table].1.dim;
            let received = self.begin_gradient((table, out_of_range));
            by_rank.into_iter().for_each(|entries| received.append(entries, dim));
        }
        Ok(())
    }

    fn begin_gradient(&mut self, (table, out_of_range): Of<u64>) -> &mut Received {
        let received = self.received.entry(table).or_default();
        received.begin(out_of_range);
        received
    }

    /// Sends the sum of every chunk that is this rank's alone, and the entries beside them.
    fn send_chunks(
        &mut self,
        doing: &str,
        dealt: Result<Vec<Of<Dealt>>, Error>,
    ) -> Result<(), Error> {
        let mine = dealt.map(|dealt| {
            let own = dealt.iter().map(|(table, dealt)| {
                let dim = self.tables[*table].1.dim;
                let by_row = dealt.blocks.iter().map(|block| by_row(block, dim)).collect();
                (*table, (by_row, dealt.out_of_range))
            });
            let own: Vec<Of<Chunked>> = own.collect();
            let mut messages = self.link.no_words();
            for (_, (own, _)) in &own {
                messages.iter_mut().zip(own).for_each(|(words, (tally, _))| tally.push(words));
            }
            (own, messages)
        });
        let (own, messages) = self.send(doing, mine)?;
        let read = tables(&messages, own.len(), |_, rank, reader| Tally::read(rank, reader));
        let tallies = self.link.or_broken(read)?;
        let (parts, starts) = self.tallied(&own, tallies);
        let places = self.link.exchange(starts)?;
        let sent = places_of(&own, &places).map(|places| {
            let mut messages = self.link.no_words();
            for ((table, (own, _)), places) in own.iter().zip(places) {
                let dim = self.tables[*table].1.dim;
                for ((words, (tally, values)), places) in messages.iter_mut().zip(own).zip(places) {
                    let pieces = tally.pieces(&places, values, dim);
                    words.extend_from_slice(bytemuck::cast_slice(&pieces));
                }
            }
            messages
        });
        let sent = self.link.or_broken(sent)?;
        let pieces = self.link.exchange(sent)?;
        let read = tables(&pieces, own.len(), |number, rank, reader| {
            let table = own[number].0;
            let rows = self.received[&table].sent(parts[number].start + rank as usize);
            let words = reader.take(rows * self.tables[table].1.dim as u64)?;
            Ok(bytemuck::cast_slice(words).to_vec())
        });
        let read = self.link.or_broken(read)?;
        for ((table, _), by_rank) in own.iter().zip(read) {
            let received = self.received.entry(*table).or_default();
            by_rank.into_iter().for_each(|pieces| received.add_pieces(pieces));
        }
        Ok(())
    }

    /// Takes down what ranks have of each gradient: as which parts of its table's, and where each rank's entries begin.
    fn tallied(
        &mut self,
        own: &[Of<Chunked>],
        tallies: Vec<Vec<Tally>>,
    ) -> (Vec<Range<usize>>, Blocks) {
        let mut messages = self.link.no_words();
        let mut parts = Vec::new();
        for ((table, (_, out_of_range)), tallies) in own.iter().zip(tallies) {
            let received = self.begin_gradient((*table, *out_of_range));
            let range = received.tallied(tallies);
            for (words, part) in messages.iter_mut().zip(range.clone()) {
                words.extend_from_slice(received.starts(part));
            }
            parts.push(range);
        }
        (parts, messages)
    }
}

/// Where this rank's entries of each row begin in their chunks, by gradient and owner.
fn places_of(own: &[Of<Chunked>], messages: &Blocks) -> Result<Vec<Vec<Vec<u32>>>, Error> {
    tables(messages, own.len(), |number, rank, reader| {
        let (_, (by_owner, _)) = &own[number];
        let (tally, _) = &by_owner[rank as usize];
        let places = reader.take(tally.rows.len() as u64)?.to_vec();
        match places.iter().all(|&place| place < CHUNK) {
            true => Ok(places),
            false => Err(Error::Garbled { rank }),
        }
    })
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
