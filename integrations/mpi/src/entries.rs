//! Entries of gradients, dealt out to the ranks that own their rows, and put together there.

use crate::Error;
use crate::assign::Deal;
use crate::words::{Reader, push_list};

/// One rank's part of the gradient of a table, on the host.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Gradient<'a> {
    /// A row of the whole table for each entry, in any order, repeats allowed. One outside the table is left out and
    /// counted.
    pub ids: &'a [i64],
    /// `[ids, dim]`, row-major: a value row for each entry.
    pub values: &'a [f32],
}

/// Entries of a table at the rank that owns their rows, or on the way there.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Entries {
    /// The owner's number of the row of each entry.
    pub rows: Vec<u32>,
    /// `[rows, dim]`.
    pub values: Vec<f32>,
}

/// A rank's gradient, dealt out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Dealt {
    /// Entries by owner. Of each row, they are in the order in which the gradient has them.
    pub blocks: Vec<Entries>,
    /// Entries that name no row.
    pub out_of_range: u64,
}

/// Deals out the entries of a gradient with `dim` values for each row. A rank has fewer than 2^32 rows.
pub(crate) fn deal_out(deal: Deal, dim: usize, gradient: Gradient<'_>) -> Dealt {
    let blocks = vec![Entries::default(); deal.ranks.get() as usize];
    let mut dealt = Dealt { blocks, out_of_range: 0 };
    for (&id, values) in gradient.ids.iter().zip(gradient.values.chunks_exact(dim)) {
        let Some(row) = deal.named(id) else {
            dealt.out_of_range += 1;
            continue;
        };
        let (owner, local) = deal.place(row);
        let block = &mut dealt.blocks[owner as usize];
        block.rows.push(local as u32);
        block.values.extend_from_slice(values);
    }
    dealt
}

impl Entries {
    /// Adds them to a message.
    pub fn push(&self, words: &mut Vec<u32>) {
        push_list(words, &self.rows);
        words.extend_from_slice(bytemuck::cast_slice(&self.values));
    }

    /// Appends those of a message: the ranks' blocks in order of rank are the whole gradient's entries in order.
    ///
    /// # Errors
    /// [`Error::Garbled`].
    pub fn append(&mut self, dim: usize, reader: &mut Reader<'_>) -> Result<(), Error> {
        let rows = reader.list()?;
        let values = reader.take(rows.len() as u64 * dim as u64)?;
        self.rows.extend_from_slice(rows);
        self.values.extend_from_slice(bytemuck::cast_slice(values));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Assign, Ranks};
    use sparse_adam_testkit::{Named, Rng};

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
            let dealt = deal_out(deal, dim, Gradient { ids, values });
            for (owned, block) in owned.iter_mut().zip(dealt.blocks) {
                let mut words = Vec::new();
                block.push(&mut words);
                let mut reader = Reader::new(rank, &words);
                owned.append(dim, &mut reader).unwrap();
                reader.end().unwrap();
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
        let dealt = deal_out(deal, 1, gradient);
        assert_eq!(dealt.out_of_range, 2);
        let sent: Vec<_> =
            dealt.blocks.iter().map(|block| (&block.rows[..], &block.values[..])).collect();
        assert_eq!(sent, [(&[0][..], &[4.0][..]), (&[1][..], &[2.0][..])]);
    }

    #[test]
    fn a_block_that_lacks_values_is_refused() {
        let mut words = Vec::new();
        Entries { rows: vec![1, 2], values: vec![0.5; 6] }.push(&mut words);
        words.pop();
        let read = Entries::default().append(3, &mut Reader::new(4, &words));
        assert_eq!(read, Err(Error::Garbled { rank: 4 }));
    }
}
