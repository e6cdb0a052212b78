//! Where the rows of a table live: arithmetic, no table of owners.

use crate::Ranks;
use serde::{Deserialize, Serialize};

/// How the rows of a table are dealt out to ranks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Assign {
    /// Row `r` of rank `r % ranks`: for ids that are sorted by how often they come, as vocabularies are.
    #[default]
    Cyclic,
    /// The first `ceil(rows / ranks)` rows of rank 0, as many of rank 1, and so on; the last ranks may have fewer, or
    /// none. For ids that are scattered already.
    Block,
}

/// The rows of one table, dealt out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deal {
    pub assign: Assign,
    /// Rows of the whole table.
    pub rows: u64,
    pub ranks: Ranks,
}

impl Deal {
    /// Rows of each rank but the last ones, with [`Assign::Block`].
    fn block(self) -> u64 {
        self.rows.div_ceil(self.ranks.wide()).max(1)
    }

    /// The rank that has row `row`, and the row's number there.
    pub fn place(self, row: u64) -> (u32, u64) {
        let (owner, local) = match self.assign {
            Assign::Cyclic => (row % self.ranks.wide(), row / self.ranks.wide()),
            Assign::Block => (row / self.block(), row % self.block()),
        };
        (owner as u32, local)
    }

    /// The row of the table that is row `local` of `rank`.
    pub fn row(self, rank: u32, local: u64) -> u64 {
        match self.assign {
            Assign::Cyclic => local * self.ranks.wide() + u64::from(rank),
            Assign::Block => u64::from(rank) * self.block() + local,
        }
    }

    /// How many rows `rank` has.
    pub fn rows_of(self, rank: u32) -> u64 {
        let (rank, ranks) = (u64::from(rank), self.ranks.wide());
        match self.assign {
            Assign::Cyclic => (self.rows + ranks - 1 - rank) / ranks,
            Assign::Block => self.rows.saturating_sub(rank * self.block()).min(self.block()),
        }
    }

    /// How many rows of `rank` lie before row `row` of the table.
    pub fn before(self, rank: u32, row: u64) -> u64 {
        let row = row.min(self.rows);
        match self.assign {
            Assign::Cyclic => Self { rows: row, ..self }.rows_of(rank),
            Assign::Block => {
                row.saturating_sub(u64::from(rank) * self.block()).min(self.rows_of(rank))
            }
        }
    }

    /// The rows of the table, of those of each rank; a row may have any number of words.
    ///
    /// # Errors
    /// The first rank that has not as many words as its rows need.
    pub fn joined(self, parts: &[&[u32]]) -> Result<Vec<u32>, u32> {
        // Rank 0 has a row at least.
        let first = parts.first().map_or(0, |part| part.len());
        let width = first / self.rows_of(0) as usize;
        for (rank, part) in (0..).zip(parts) {
            if self.rows_of(rank).checked_mul(width as u64) != Some(part.len() as u64) {
                return Err(rank);
            }
        }
        let row = |row| {
            let (owner, local) = self.place(row);
            &parts[owner as usize][local as usize * width..][..width]
        };
        Ok((0..self.rows).flat_map(row).copied().collect())
    }

    /// The row that an id names; None where it names none.
    pub fn named(self, id: i64) -> Option<u64> {
        u64::try_from(id).ok().filter(|&row| row < self.rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_has_one_place_and_comes_back_from_it() {
        for assign in [Assign::Cyclic, Assign::Block] {
            for ranks in 1..=7 {
                for rows in [1, 2, 3, 6, 7, 8, 13, 50, 51] {
                    let deal = Deal { assign, rows, ranks: Ranks::new(ranks).unwrap() };
                    let counts: Vec<_> = (0..ranks).map(|rank| deal.rows_of(rank)).collect();
                    assert_eq!(counts.iter().sum::<u64>(), rows, "{deal:?}");
                    let mut next = vec![0; ranks as usize];
                    for row in 0..rows {
                        let (owner, local) = deal.place(row);
                        assert_eq!(deal.row(owner, local), row, "{deal:?}");
                        // Rows of a rank are in the order of the table, without gaps.
                        assert_eq!(next[owner as usize], local, "{deal:?}");
                        next[owner as usize] += 1;
                    }
                    assert_eq!(next, counts, "{deal:?}");
                    for row in 0..=rows {
                        for rank in 0..ranks {
                            let before = (0..row).filter(|&row| deal.place(row).0 == rank).count();
                            assert_eq!(deal.before(rank, row), before as u64, "{deal:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn tables_beyond_32_bits_are_dealt_out_too() {
        let rows = (1 << 40) + 5;
        for assign in [Assign::Cyclic, Assign::Block] {
            let deal = Deal { assign, rows, ranks: Ranks::new(1000).unwrap() };
            assert_eq!((0..1000).map(|rank| deal.rows_of(rank)).sum::<u64>(), rows);
            for row in [0, 1, 1 << 33, rows - 1] {
                let (owner, local) = deal.place(row);
                assert_eq!(deal.row(owner, local), row);
                assert!(local < deal.rows_of(owner));
            }
        }
    }

    #[test]
    fn rows_of_all_ranks_join_to_the_table() {
        for assign in [Assign::Cyclic, Assign::Block] {
            let deal = Deal { assign, rows: 5, ranks: Ranks::new(7).unwrap() };
            let mut parts = vec![Vec::new(); 7];
            let whole: Vec<u32> = (0..10).collect();
            for (row, words) in (0..).zip(whole.chunks(2)) {
                parts[deal.place(row).0 as usize].extend_from_slice(words);
            }
            let mut parts: Vec<_> = parts.iter().map(Vec::as_slice).collect();
            assert_eq!(deal.joined(&parts), Ok(whole));
            parts[2] = &parts[2][..1];
            assert_eq!(deal.joined(&parts), Err(2));
        }
    }

    #[test]
    fn ids_outside_the_table_name_no_row() {
        let deal = Deal { assign: Assign::Cyclic, rows: 10, ranks: Ranks::new(3).unwrap() };
        assert_eq!(deal.named(9), Some(9));
        for id in [10, -1, i64::MIN, i64::MAX] {
            assert_eq!(deal.named(id), None);
        }
    }
}
