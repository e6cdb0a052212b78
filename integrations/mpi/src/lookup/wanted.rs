//! Which rows a list of ids names: each once, by the rank that has it.

use crate::Error;
use crate::assign::Deal;
use crate::words::Reader;

/// The rows that ids name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Wanted {
    /// Of each rank, those that it has, in its numbers, ascending, each once.
    pub by_owner: Vec<Vec<u32>>,
    /// Of each id, the place of its row in the lists one behind the other; that behind them all where it names none.
    pub map: Vec<u32>,
}

impl Wanted {
    /// How many rows there are.
    pub fn unique(&self) -> usize {
        self.by_owner.iter().map(Vec::len).sum()
    }
}

/// Fewer than 2^32 ids.
pub(crate) fn wanted(deal: Deal, ids: &[i64]) -> Wanted {
    let place = |(entry, &id): (u32, &i64)| {
        let (owner, local) = deal.place(deal.named(id)?);
        Some((owner, local as u32, entry))
    };
    let mut placed: Vec<_> = (0..).zip(ids).filter_map(place).collect();
    placed.sort_unstable();
    let mut wanted =
        Wanted { by_owner: vec![Vec::new(); deal.ranks.get() as usize], map: vec![0; ids.len()] };
    let mut unique = 0;
    for entries in placed.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
        let (owner, local, _) = entries[0];
        wanted.by_owner[owner as usize].push(local);
        entries.iter().for_each(|&(_, _, entry)| wanted.map[entry as usize] = unique);
        unique += 1;
    }
    let nowhere = ids.iter().zip(&mut wanted.map).filter(|(id, _)| deal.named(**id).is_none());
    nowhere.for_each(|(_, place)| *place = unique);
    wanted
}

/// The rows that `rank` asks this one for, of a message; this one has `rows` of them.
///
/// # Errors
/// [`Error::Garbled`], also for rows that [`wanted`] does not make.
pub(crate) fn asked_for(rank: u32, rows: u64, reader: &mut Reader<'_>) -> Result<Vec<u32>, Error> {
    let asked = reader.list()?;
    let ascends = asked.windows(2).all(|pair| pair[0] < pair[1]);
    match ascends && asked.last().is_none_or(|&last| u64::from(last) < rows) {
        true => Ok(asked.to_vec()),
        false => Err(Error::Garbled { rank }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::push_list;
    use crate::{Assign, Ranks};
    use sparse_adam_testkit::{Named, Rng};

    #[test]
    fn each_id_finds_its_row_and_no_row_is_asked_for_twice() {
        let mut rng = Rng(91);
        for _ in 0..300 {
            let (rows, count) = (1 + rng.below(30), 1 + rng.below(7));
            let ranks = Ranks::new(count as u32).unwrap();
            let assign = [Assign::Cyclic, Assign::Block][rng.below(2)];
            let deal = Deal { assign, rows: rows as u64, ranks };
            let nnz = rng.below(60);
            let mut ids = Named::any(&mut rng).gradient(&mut rng, (rows, 1), nnz).indices;
            if !ids.is_empty() {
                let entry = rng.below(ids.len());
                ids[entry] = [-1, rows as i64, i64::MIN, ids[entry]][rng.below(4)];
            }
            let wanted = wanted(deal, &ids);
            let lists = (0..).zip(&wanted.by_owner);
            let found = lists.flat_map(|(owner, list)| {
                list.iter().map(move |&local| Some(deal.row(owner, local.into()) as i64))
            });
            let mut found: Vec<_> = found.collect();
            let mut named: Vec<_> = ids.iter().copied().map(Some).collect();
            named.retain(|id| deal.named(id.unwrap()).is_some());
            found.push(None);
            let of_ids: Vec<_> = wanted.map.iter().map(|&place| found[place as usize]).collect();
            let expected = ids.iter().map(|&id| deal.named(id).map(|row| row as i64));
            assert_eq!(of_ids, expected.collect::<Vec<_>>(), "{deal:?}");
            found.pop();
            assert_eq!(found.len(), wanted.unique());
            found.sort_unstable();
            named.sort_unstable();
            named.dedup();
            assert_eq!(found, named);
        }
    }

    #[test]
    fn lists_that_no_rank_makes_are_refused() {
        let read = |list: &[u32]| {
            let mut words = Vec::new();
            push_list(&mut words, list);
            asked_for(2, 5, &mut Reader::new(2, &words))
        };
        assert_eq!(read(&[0, 3, 4]), Ok(vec![0, 3, 4]));
        for list in [&[3, 0][..], &[1, 1], &[0, 5]] {
            assert_eq!(read(list), Err(Error::Garbled { rank: 2 }));
        }
    }
}
