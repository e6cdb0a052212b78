//! Whole chunks of a row's entries, summed by the rank that has them, with the bits that the owner would find.
//!
//! A row's sum is a tree of fan-in [`CHUNK`] over its entries, counted from the first one of all ranks. Where a rank
//! knows how many entries of the row the ranks before it have, it knows where chunks begin: it sends the sum of each
//! chunk that is its own alone, and the entries at the ragged ends as they are. The owner adds up chunks that several
//! ranks share, and steps by the sums of chunks as if they were entries: the rest of the tree is the same.

use crate::Error;
use crate::entries::Entries;
use crate::words::{Reader, push_list};
use sparse_adam::CHUNK;

/// How many entries of which rows a rank has for an owner.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tally {
    /// In ascending order, each once.
    pub rows: Vec<u32>,
    /// At least 1 of each.
    pub counts: Vec<u32>,
}

/// How a rank's entries of a row travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Split {
    /// Entries that complete a chunk of the ranks before.
    head: u32,
    /// Chunks, each as its sum.
    whole: u32,
    /// Entries that begin a chunk.
    tail: u32,
}

impl Split {
    /// Of `count` entries, of which the first has place `start` in its chunk.
    fn new(start: u32, count: u32) -> Self {
        let head = count.min((CHUNK - start) % CHUNK);
        let rest = count - head;
        Self { head, whole: rest / CHUNK, tail: rest % CHUNK }
    }

    /// Value rows that travel.
    fn rows(self) -> u32 {
        self.head + self.whole + self.tail
    }
}

/// Entries by row, those of a row in their order.
pub(crate) fn by_row(entries: &Entries, dim: usize) -> (Tally, Vec<f32>) {
    let mut order: Vec<usize> = (0..entries.rows.len()).collect();
    order.sort_by_key(|&entry| entries.rows[entry]);
    let mut tally = Tally::default();
    for run in order.chunk_by(|&a, &b| entries.rows[a] == entries.rows[b]) {
        tally.rows.push(entries.rows[run[0]]);
        tally.counts.push(run.len() as u32);
    }
    let row = |&entry: &usize| &entries.values[entry * dim..][..dim];
    (tally, order.iter().flat_map(row).copied().collect())
}

/// The sum of each row's entries, as one device finds it: an entry for each row.
pub(crate) fn sums(entries: &Entries, dim: usize) -> Entries {
    let (tally, values) = by_row(entries, dim);
    let mut sums = Vec::with_capacity(tally.rows.len() * dim);
    let mut rest = &values[..];
    for &count in &tally.counts {
        let (run, left) = rest.split_at(count as usize * dim);
        rest = left;
        let mut level = run.to_vec();
        while level.len() > dim {
            let chunk = |values: &[f32]| {
                let mut chunk = Chunk::default();
                values.chunks_exact(dim).for_each(|row| chunk.add(row));
                chunk.sum
            };
            level = level.chunks(CHUNK as usize * dim).flat_map(chunk).collect();
        }
        sums.extend(level);
    }
    Entries { rows: tally.rows, values: sums, ..Entries::default() }
}

impl Tally {
    /// Adds it to a message.
    pub fn push(&self, words: &mut Vec<u32>) {
        push_list(words, &self.rows);
        words.extend_from_slice(&self.counts);
    }

    /// That of a message of `rank`.
    ///
    /// # Errors
    /// [`Error::Garbled`], also for one that [`by_row`] does not make.
    pub fn read(rank: u32, reader: &mut Reader<'_>) -> Result<Self, Error> {
        let rows = reader.list()?.to_vec();
        let counts = reader.take(rows.len() as u64)?.to_vec();
        let ascends = rows.windows(2).all(|pair| pair[0] < pair[1]);
        match ascends && !counts.contains(&0) {
            true => Ok(Self { rows, counts }),
            false => Err(Error::Garbled { rank }),
        }
    }

    fn splits<'a>(&'a self, starts: &'a [u32]) -> impl Iterator<Item = Split> + 'a {
        starts.iter().zip(&self.counts).map(|(&start, &count)| Split::new(start, count))
    }

    /// Value rows that travel of it, given the place in its chunk of each row's first entry.
    pub fn sent(&self, starts: &[u32]) -> u64 {
        self.splits(starts).map(|split| u64::from(split.rows())).sum()
    }

    /// The value rows that travel of `values` (`[entries, dim]`, by row).
    pub fn pieces(&self, starts: &[u32], values: &[f32], dim: usize) -> Vec<f32> {
        let mut pieces = Vec::with_capacity(self.sent(starts) as usize * dim);
        let mut rest = values;
        for split in self.splits(starts) {
            let mut next = |entries: u32| {
                let (taken, left) = rest.split_at(entries as usize * dim);
                rest = left;
                taken
            };
            pieces.extend_from_slice(next(split.head));
            for _ in 0..split.whole {
                let mut chunk = Chunk::default();
                next(CHUNK).chunks_exact(dim).for_each(|row| chunk.add(row));
                pieces.extend_from_slice(&chunk.sum);
            }
            pieces.extend_from_slice(next(split.tail));
        }
        pieces
    }
}

/// Each row of each rank's tally, by row and then by rank: the row, the rank, and its number in the tally.
fn in_order(tallies: &[Tally]) -> Vec<(u32, usize, usize)> {
    let of_rank = |(rank, tally): (usize, &Tally)| {
        let rows: Vec<_> = tally.rows.iter().copied().enumerate().collect();
        rows.into_iter().map(move |(number, row)| (row, rank, number))
    };
    let mut rows: Vec<_> = tallies.iter().enumerate().flat_map(of_rank).collect();
    rows.sort_unstable();
    rows
}

/// The place in its chunk of the first entry of each row of each rank's tally.
pub(crate) fn starts(tallies: &[Tally]) -> Vec<Vec<u32>> {
    let mut starts: Vec<_> = tallies.iter().map(|tally| vec![0; tally.rows.len()]).collect();
    for ranks in in_order(tallies).chunk_by(|a, b| a.0 == b.0) {
        let mut place = 0;
        for &(_, rank, number) in ranks {
            starts[rank][number] = place;
            place = (place + tallies[rank].counts[number] % CHUNK) % CHUNK;
        }
    }
    starts
}

/// The sums of the chunks of each row, in order, as entries, given what travelled of each rank's tally.
pub(crate) fn completed(
    tallies: &[Tally],
    starts: &[Vec<u32>],
    pieces: &[&[f32]],
    dim: usize,
) -> Entries {
    // Where the pieces of each row begin.
    let offsets = tallies.iter().zip(starts).map(|(tally, starts)| {
        let splits = tally.splits(starts);
        let next = |at: &mut usize, split: Split| {
            let from = *at;
            *at += split.rows() as usize * dim;
            Some((from, split))
        };
        splits.scan(0, next).collect::<Vec<_>>()
    });
    let offsets: Vec<_> = offsets.collect();
    let mut entries = Entries::default();
    for ranks in in_order(tallies).chunk_by(|a, b| a.0 == b.0) {
        let mut chunk = Chunk::default();
        for &(row, rank, number) in ranks {
            let (from, split) = offsets[rank][number];
            let mut rows = pieces[rank][from..].chunks_exact(dim);
            let heads = rows.by_ref().take(split.head as usize);
            heads.for_each(|values| chunk.add_to(row, values, &mut entries));
            for sum in rows.by_ref().take(split.whole as usize) {
                entries.rows.push(row);
                entries.values.extend_from_slice(sum);
            }
            let tails = rows.take(split.tail as usize);
            tails.for_each(|values| chunk.add_to(row, values, &mut entries));
        }
        chunk.end(ranks[0].0, &mut entries);
    }
    entries
}

/// A chunk that is being added up.
#[derive(Default)]
struct Chunk {
    sum: Vec<f32>,
    entries: u32,
}

impl Chunk {
    fn add(&mut self, values: &[f32]) {
        match self.entries {
            // Not added to a zero, which would take the sign of another.
            0 => self.sum = values.to_vec(),
            _ => self.sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value),
        }
        self.entries += 1;
    }

    /// Adds an entry, and ends the chunk where it is full.
    fn add_to(&mut self, row: u32, values: &[f32], entries: &mut Entries) {
        self.add(values);
        if self.entries == CHUNK {
            self.end(row, entries);
        }
    }

    fn end(&mut self, row: u32, entries: &mut Entries) {
        if self.entries > 0 {
            entries.rows.push(row);
            entries.values.append(&mut self.sum);
            self.entries = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sparse_adam_testkit::{Named, Rng};

    /// The sums of the chunks of each row of the whole batch, by row.
    fn expected(whole: &Entries, dim: usize) -> Entries {
        let (tally, values) = by_row(whole, dim);
        let mut rest = &values[..];
        let mut entries = Entries::default();
        for (&row, &count) in tally.rows.iter().zip(&tally.counts) {
            let (of_row, left) = rest.split_at(count as usize * dim);
            rest = left;
            let mut chunk = Chunk::default();
            of_row.chunks(dim).for_each(|values| chunk.add_to(row, values, &mut entries));
            chunk.end(row, &mut entries);
        }
        entries
    }

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    /// For any cuts of a batch, runs of any length.
    #[test]
    fn chunks_over_ranks_have_the_bits_of_one_owners() {
        let mut rng = Rng(64);
        let mut longest = 0;
        for _ in 0..400 {
            let (rows, dim, ranks) = (1 + rng.below(4), 1 + rng.below(3), 1 + rng.below(7));
            let parts = (0..ranks).map(|_| {
                let nnz = rng.below(300);
                let grad = Named::any(&mut rng).gradient(&mut rng, (rows, dim), nnz);
                let rows = grad.indices.iter().map(|&row| row as u32).collect();
                Entries { rows, values: grad.values, ..Entries::default() }
            });
            let parts: Vec<_> = parts.collect();
            let mut whole = Entries::default();
            for part in &parts {
                whole.rows.extend(&part.rows);
                whole.values.extend(&part.values);
            }
            let (tallies, values): (Vec<_>, Vec<_>) =
                parts.iter().map(|part| by_row(part, dim)).unzip();
            let starts = starts(&tallies);
            let pieces = tallies.iter().zip(&starts).zip(&values);
            let pieces: Vec<_> =
                pieces.map(|((tally, starts), values)| tally.pieces(starts, values, dim)).collect();
            for ((tally, starts), pieces) in tallies.iter().zip(&starts).zip(&pieces) {
                assert_eq!(tally.sent(starts) as usize * dim, pieces.len());
                longest = longest.max(tally.counts.iter().copied().max().unwrap_or(0));
            }
            let pieces: Vec<_> = pieces.iter().map(Vec::as_slice).collect();
            let found = completed(&tallies, &starts, &pieces, dim);
            let expected = expected(&whole, dim);
            assert_eq!(found.rows, expected.rows);
            assert_eq!(bits(&found.values), bits(&expected.values));
        }
        assert!(longest > 2 * CHUNK, "no rank had whole chunks");
    }

    #[test]
    fn a_row_takes_its_chunks_and_two_ragged_ends() {
        assert_eq!(Split::new(0, 128), Split { head: 0, whole: 2, tail: 0 });
        assert_eq!(Split::new(1, 128), Split { head: 63, whole: 1, tail: 1 });
        assert_eq!(Split::new(60, 3), Split { head: 3, whole: 0, tail: 0 });
        assert_eq!(Split::new(63, 64), Split { head: 1, whole: 0, tail: 63 });
        let most = (0..CHUNK).map(|start| Split::new(start, 1000).rows()).max();
        assert!(most <= Some(1000 / CHUNK + 2 * (CHUNK - 1)));
    }

    #[test]
    fn a_zeros_sign_stays() {
        let entries = Entries { rows: vec![0], values: vec![-0.0], ..Entries::default() };
        let (tally, values) = by_row(&entries, 1);
        let found = completed(&[tally], &[vec![0]], &[&values], 1);
        assert_eq!(bits(&found.values), bits(&[-0.0]));
    }

    #[test]
    fn tallies_that_no_rank_makes_are_refused() {
        let read = |rows: &[u32], counts: &[u32]| {
            let mut words = Vec::new();
            let tally = Tally { rows: rows.to_vec(), counts: counts.to_vec() };
            tally.push(&mut words);
            Tally::read(3, &mut Reader::new(3, &words)).map(|read| read == tally)
        };
        assert_eq!(read(&[1, 4], &[2, 9]), Ok(true));
        for (rows, counts) in [(&[4, 1], &[2, 9]), (&[1, 1], &[2, 9]), (&[1, 4], &[2, 0])] {
            assert_eq!(read(rows, counts), Err(Error::Garbled { rank: 3 }));
        }
    }
}
