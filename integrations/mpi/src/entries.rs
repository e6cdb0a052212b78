//! Entries of gradients, dealt out to the ranks that own their rows, and put together there.

use crate::Error;
use crate::assign::Deal;
use crate::words::{Reader, push_list, push_wide};
use std::borrow::Cow;
use std::collections::HashMap;

/// One rank's part of the gradient of a table, on the host.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Gradient<'a> {
    /// A row of the whole table for each entry, in any order, repeats allowed. One outside the table is left out and
    /// counted.
    pub ids: &'a [i64],
    /// `[ids, dim]`, row-major: a value row for each entry.
    pub values: &'a [f32],
}

/// A rank's part of the gradient of a table, as it travels.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Given<'a> {
    pub ids: Cow<'a, [i64]>,
    /// `[ids, dim]`; with a map, `[bags, dim]`.
    pub values: Cow<'a, [f32]>,
    /// Which value row is each entry's; each its own where there is none.
    pub map: Option<Vec<u32>>,
    /// What each entry's value row is multiplied by.
    pub weights: Option<Vec<f32>>,
}

impl<'a> From<Gradient<'a>> for Given<'a> {
    fn from(Gradient { ids, values }: Gradient<'a>) -> Self {
        Self { ids: ids.into(), values: values.into(), map: None, weights: None }
    }
}

impl Given<'_> {
    /// A value row of `dim` for each entry, multiplied by its weight, for sums on the host.
    pub fn spread(self, dim: usize) -> Self {
        if self.map.is_none() && self.weights.is_none() {
            return self;
        }
        let mut values = Vec::with_capacity(self.ids.len() * dim);
        for entry in 0..self.ids.len() {
            let row = self.map.as_ref().map_or(entry, |map| map[entry] as usize);
            let row = &self.values[row * dim..][..dim];
            match &self.weights {
                // Rounded once, as the core rounds it.
                Some(weights) => values.extend(row.iter().map(|value| value * weights[entry])),
                None => values.extend_from_slice(row),
            }
        }
        Self { ids: self.ids, values: values.into(), map: None, weights: None }
    }
}

/// Entries of a table at the rank that owns their rows, or on the way there.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Entries {
    /// The owner's number of the row of each entry.
    pub rows: Vec<u32>,
    /// `[rows, dim]`; with a map, as many value rows as there are.
    pub values: Vec<f32>,
    /// As those of [`Given`].
    pub map: Option<Vec<u32>>,
    pub weights: Option<Vec<f32>>,
}

/// A rank's gradient, dealt out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Dealt {
    /// Entries by owner. Of each row, they are in the order in which the gradient has them.
    pub blocks: Vec<Entries>,
    /// Entries that name no row.
    pub out_of_range: u64,
}

/// Deals out the entries of a gradient with `dim` values for each row. A rank has fewer than 2^32 rows. A value row that
/// several entries share goes to each owner once.
pub(crate) fn deal_out(deal: Deal, dim: usize, given: &Given<'_>) -> Dealt {
    let none = Entries {
        map: given.map.as_ref().map(|_| Vec::new()),
        weights: given.weights.as_ref().map(|_| Vec::new()),
        ..Entries::default()
    };
    let mut dealt = Dealt { blocks: vec![none; deal.ranks.get() as usize], out_of_range: 0 };
    // Of each owner and value row that has been dealt out to it, its number there.
    let mut sent = HashMap::new();
    for (entry, &id) in given.ids.iter().enumerate() {
        let Some(row) = deal.named(id) else {
            dealt.out_of_range += 1;
            continue;
        };
        let (owner, local) = deal.place(row);
        let block = &mut dealt.blocks[owner as usize];
        block.rows.push(local as u32);
        if let (Some(weights), Some(block)) = (&given.weights, &mut block.weights) {
            block.push(weights[entry]);
        }
        let mut row = entry;
        if let (Some(map), Some(block_map)) = (&given.map, &mut block.map) {
            row = map[entry] as usize;
            let next = (block.values.len() / dim) as u32;
            let number = *sent.entry((owner, row)).or_insert(next);
            block_map.push(number);
            if number != next {
                continue;
            }
        }
        block.values.extend_from_slice(&given.values[row * dim..][..dim]);
    }
    dealt
}

const HAS_MAP: u32 = 1;
const HAS_WEIGHTS: u32 = 2;

impl Entries {
    /// Adds them, with `dim` values for each value row, to a message.
    pub fn push(&self, dim: usize, words: &mut Vec<u32>) {
        push_list(words, &self.rows);
        let flag = |has: bool, flag| if has { flag } else { 0 };
        let flags = flag(self.map.is_some(), HAS_MAP) | flag(self.weights.is_some(), HAS_WEIGHTS);
        words.push(flags);
        if let Some(map) = &self.map {
            push_wide(words, (self.values.len() / dim) as u64);
            words.extend_from_slice(map);
        }
        words.extend_from_slice(bytemuck::cast_slice(self.weights.as_deref().unwrap_or(&[])));
        words.extend_from_slice(bytemuck::cast_slice(&self.values));
    }

    /// Those of a message of `rank`.
    ///
    /// # Errors
    /// [`Error::Garbled`].
    pub fn read(rank: u32, dim: usize, reader: &mut Reader<'_>) -> Result<Self, Error> {
        let rows = reader.list()?.to_vec();
        let entries = rows.len() as u64;
        let flags = reader.take(1)?[0];
        let (mut map, mut weights, mut value_rows) = (None, None, entries);
        if flags & HAS_MAP != 0 {
            value_rows = reader.wide()?;
            map = Some(reader.take(entries)?.to_vec());
        }
        if flags & HAS_WEIGHTS != 0 {
            weights = Some(bytemuck::cast_slice(reader.take(entries)?).to_vec());
        }
        let garbled = Error::Garbled { rank };
        let count = value_rows.checked_mul(dim as u64).ok_or(garbled.clone())?;
        let values = bytemuck::cast_slice(reader.take(count)?).to_vec();
        let names_rows = |map: &Vec<u32>| map.iter().all(|&row| u64::from(row) < value_rows);
        match flags <= HAS_MAP | HAS_WEIGHTS && map.iter().all(names_rows) {
            true => Ok(Self { rows, values, map, weights }),
            false => Err(garbled),
        }
    }

    /// Appends those of the next rank: the ranks' blocks in order of rank are the whole gradient's entries in order.
    pub fn append(&mut self, next: Self, dim: usize) {
        let (held, added) = (self.rows.len(), next.rows.len());
        let value_rows = (self.values.len() / dim) as u32;
        if self.map.is_some() || next.map.is_some() {
            let map = self.map.get_or_insert_with(|| (0..held as u32).collect());
            match next.map {
                Some(next) => map.extend(next.iter().map(|row| value_rows + row)),
                None => map.extend(value_rows..value_rows + added as u32),
            }
        }
        if self.weights.is_some() || next.weights.is_some() {
            let weights = self.weights.get_or_insert_with(|| vec![1.0; held]);
            weights.extend(next.weights.unwrap_or_else(|| vec![1.0; added]));
        }
        self.rows.extend_from_slice(&next.rows);
        self.values.extend_from_slice(&next.values);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Assign, Ranks};
    use sparse_adam_testkit::{Named, Rng};

    fn travelled(block: &Entries, rank: u32, dim: usize) -> Entries {
        let mut words = Vec::new();
        block.push(dim, &mut words);
        let mut reader = Reader::new(rank, &words);
        let read = Entries::read(rank, dim, &mut reader).unwrap();
        reader.end().unwrap();
        read
    }

    /// The whole gradient as the ranks' owners see it, when rank `k` has the `k`-th stretch of it.
    fn received(
        deal: Deal,
        dim: usize,
        ids: &[i64],
        values: &[f32],
        cuts: &[usize],
    ) -> Vec<Entries> {
        let mut owned = vec![Entries::default(); deal.ranks.get() as usize];
        for (rank, ends) in (0..).zip(cuts.windows(2)) {
            let (ids, values) = (&ids[ends[0]..ends[1]], &values[dim * ends[0]..dim * ends[1]]);
            let dealt = deal_out(deal, dim, &Gradient { ids, values }.into());
            for (owned, block) in owned.iter_mut().zip(dealt.blocks) {
                owned.append(travelled(&block, rank, dim), dim);
            }
        }
        owned
    }

    /// For any number of ranks, any dealing and any cuts of the batch.
    #[test]
    fn an_owner_has_each_rows_entries_in_the_order_of_the_whole_batch() {
        let mut rng = Rng(17);
        for _ in 0..300 {
            let (rows, dim, count) = (1 + rng.below(20), 1 + rng.below(3), 1 + rng.below(7));
            let ranks = Ranks::new(count as u32).unwrap();
            let assign = [Assign::Cyclic, Assign::Block][rng.below(2)];
            let deal = Deal { assign, rows: rows as u64, ranks };
            let nnz = rng.below(60);
            let mut grad = Named::any(&mut rng).gradient(&mut rng, (rows, dim), nnz);
            if !grad.indices.is_empty() && rng.below(2) == 0 {
                let entry = rng.below(grad.indices.len());
                grad.indices[entry] = [-1, rows as i64, i64::MIN][rng.below(3)];
            }
            let entries = grad.indices.len();
            let mut cuts: Vec<_> = (1..count).map(|_| rng.below(entries + 1)).collect();
            cuts.extend([0, entries]);
            cuts.sort_unstable();
            let owned = received(deal, dim, &grad.indices, &grad.values, &cuts);
            let mut found = vec![Vec::new(); rows];
            for (rank, entries) in (0..).zip(&owned) {
                for (&local, values) in entries.rows.iter().zip(entries.values.chunks(dim)) {
                    found[deal.row(rank, local.into()) as usize].push(values.to_vec());
                }
            }
            let mut expected = vec![Vec::new(); rows];
            for (&id, values) in grad.indices.iter().zip(grad.values.chunks(dim)) {
                if (0..rows as i64).contains(&id) {
                    expected[id as usize].push(values.to_vec());
                }
            }
            assert_eq!(found, expected, "{deal:?}, {cuts:?}");
        }
    }

    #[test]
    fn entries_that_name_no_row_are_counted_and_sent_to_nobody() {
        let deal = Deal { assign: Assign::Cyclic, rows: 4, ranks: Ranks::new(2).unwrap() };
        let gradient = Gradient { ids: &[4, 3, -1, 0], values: &[1.0, 2.0, 3.0, 4.0] };
        let dealt = deal_out(deal, 1, &gradient.into());
        assert_eq!(dealt.out_of_range, 2);
        let sent: Vec<_> =
            dealt.blocks.iter().map(|block| (&block.rows[..], &block.values[..])).collect();
        assert_eq!(sent, [(&[0][..], &[4.0][..]), (&[1][..], &[2.0][..])]);
    }

    /// Each rank in a form of its own: bags or rows, weights or none.
    #[test]
    fn entries_of_bags_and_weights_spread_to_those_that_were_given() {
        let mut rng = Rng(18);
        for _ in 0..300 {
            let (rows, dim, count) = (1 + rng.below(20), 1 + rng.below(3), 1 + rng.below(5));
            let ranks = Ranks::new(count as u32).unwrap();
            let deal = Deal { assign: Assign::Cyclic, rows: rows as u64, ranks };
            let mut owned = vec![Entries::default(); count];
            let (mut expected, mut found) = (vec![Vec::new(); rows], vec![Vec::new(); rows]);
            for rank in 0..count as u32 {
                let bags = rng.below(9);
                let (grad, map) = rng.bags(rows, dim, bags);
                let weights = rng.floats(map.len());
                let weights = (rng.below(2) == 0).then_some(weights);
                let (ids, values) = (grad.indices.into(), grad.values.into());
                let given = Given { ids, values, map: Some(map), weights };
                let spread = given.clone().spread(dim);
                for (&id, values) in spread.ids.iter().zip(spread.values.chunks(dim)) {
                    expected[id as usize].push(values.to_vec());
                }
                let given = if rng.below(2) == 0 { given } else { spread };
                for (owned, block) in owned.iter_mut().zip(deal_out(deal, dim, &given).blocks) {
                    let value_rows = block.values.len() / dim;
                    assert!(block.map.is_none() || value_rows <= bags, "a bag's row travels once");
                    owned.append(travelled(&block, rank, dim), dim);
                }
            }
            for (rank, entries) in (0..).zip(owned) {
                let ids = entries.rows.iter().map(|&row| deal.row(rank, row.into()) as i64);
                let (ids, values) = (ids.collect::<Vec<_>>().into(), entries.values.into());
                let given = Given { ids, values, map: entries.map, weights: entries.weights };
                let spread = given.spread(dim);
                for (&id, values) in spread.ids.iter().zip(spread.values.chunks(dim)) {
                    found[id as usize].push(values.to_vec());
                }
            }
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_block_that_lacks_values_or_names_a_row_that_it_lacks_is_refused() {
        let read = |words: &[u32]| Entries::read(4, 3, &mut Reader::new(4, words)).map(drop);
        let mut words = Vec::new();
        let plain = Entries { rows: vec![1, 2], values: vec![0.5; 6], ..Entries::default() };
        plain.push(3, &mut words);
        assert_eq!(read(&words), Ok(()));
        words.pop();
        assert_eq!(read(&words), Err(Error::Garbled { rank: 4 }));
        let mut words = Vec::new();
        Entries { map: Some(vec![0, 2]), ..plain.clone() }.push(3, &mut words);
        assert_eq!(read(&words), Err(Error::Garbled { rank: 4 }));
        let mut words = Vec::new();
        plain.push(3, &mut words);
        words[4] = 4;
        assert_eq!(read(&words), Err(Error::Garbled { rank: 4 }));
    }
}
