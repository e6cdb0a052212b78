//! Rows looked up over ranks.

use super::ShardedOptimizer;
use super::send::tables;
use crate::lookup::{
    Asked, AskedTable, Fetch, Gathered, Looked, Rows, asked_for, wanted, words_of,
};
use crate::words::push_list;
use crate::{Error, Transport};
use sparse_adam::{ParamId, Region};
use wgpu::BufferUsages;

/// Values of a row of a table, and rows of it.
type OfDim = (usize, Gathered);

impl<T: Transport> ShardedOptimizer<T> {
    /// Tells every rank which of its rows this one wants: of each table the rows that a list of ids names, in any order, repeats
    /// allowed; a table may be named with several lists. Collective; ranks name the same tables in the same order. It does not wait for a device: after a
    /// [`ShardedOptimizer::step`], ids travel while devices compute. All tables share one exchange.
    ///
    /// # Errors
    /// [`sparse_adam::Error::UnknownParam`], [`Error::TooLarge`] for more than 2^31 - 1 ids of a table;
    /// [`Error::Peer`], [`Error::Disagree`], [`Error::RankLost`], [`Error::Garbled`].
    pub fn ask(&mut self, ids: &[(ParamId, &[i64])]) -> Result<Asked, Error> {
        let numbers = self.numbers(ids);
        let named = numbers.as_deref().unwrap_or_default();
        let doing = format!("ask for rows of {}", self.names(named.iter().copied()));
        let mine = numbers.map(|numbers| {
            let deals = numbers.iter().map(|&number| self.tables[number].1.deal);
            let deals: Vec<_> = deals.collect();
            let wanted = deals.iter().zip(ids).map(|(&deal, (_, ids))| wanted(deal, ids));
            let wanted: Vec<_> = wanted.collect();
            let mut messages = self.link.no_words();
            for wanted in &wanted {
                let lists = messages.iter_mut().zip(&wanted.by_owner);
                lists.for_each(|(words, list)| push_list(words, list));
            }
            ((deals, wanted), messages)
        });
        let ((deals, wanted), messages) = self.send(&doing, mine)?;
        let own = self.rank();
        let asked = tables(&messages, deals.len(), |table, rank, reader| {
            asked_for(rank, deals[table].rows_of(own), reader)
        });
        let asked = self.link.or_broken(asked)?;
        let of = |((&(id, ids), wanted), by_rank): ((&(ParamId, &[i64]), _), _)| AskedTable {
            id,
            ids: ids.to_vec(),
            wanted,
            by_rank,
        };
        self.asks += 1;
        let tables = ids.iter().zip(wanted).zip(asked).map(of).collect();
        Ok(Asked { number: self.asks, tables })
    }

    /// The rows that were asked for, as they are after everything that was submitted on their ranks' devices so far: those of
    /// step `t + 1` after step `t`. Collective. With a [`CatchUp`](sparse_adam::CatchUp), rows that missed steps are as they lie,
    /// unless [`ShardedOptimizer::flush`] is called before. Waits for this rank's device.
    ///
    /// # Errors
    /// As [`ShardedOptimizer::ask`]; what a device says. A device that fails behind the exchange is the last of this optimizer: all
    /// ranks hear of it in their next call.
    pub fn rows(&mut self, asked: Asked) -> Result<Looked, Error> {
        let fetched = self.fetch(&asked);
        let named: Vec<_> = asked.tables.iter().map(|table| self.number(table.id)).collect();
        let named = named.iter().flatten().copied();
        let doing = format!("rows of {}, asked for by call {}", self.names(named), asked.number);
        let mine = fetched.map(|(fetched, looked)| {
            let mut messages = self.link.no_words();
            for (asked, (dim, gathered)) in asked.tables.iter().zip(&fetched) {
                let mut at = 0;
                for (words, rows) in messages.iter_mut().zip(&asked.by_rank) {
                    let end = at + rows.len() * dim;
                    words.extend(gathered.packed(at..end));
                    at = end;
                }
            }
            (looked, messages)
        });
        let (looked, messages) = self.send(&doing, mine)?;
        let values = tables(&messages, asked.tables.len(), |table, rank, reader| {
            let asked = &asked.tables[table];
            let shard = &self.tables[self.number(asked.id)?].1;
            let count = asked.wanted.by_owner[rank as usize].len() * shard.dim;
            let words = reader.take(words_of(shard.format, count as u64))?;
            Ok(shard.format.unpack(words, count))
        });
        let values = self.link.or_broken(values)?;
        let placed = self.place_rows(&asked, &looked, values);
        self.link.or_broken(placed)?;
        let ids = asked.tables.into_iter().map(|asked| (asked.id, asked.ids)).collect();
        Ok(Looked { number: asked.number, tables: looked, ids })
    }

    /// Writes rows that arrived, by table and rank, where they were promised.
    fn place_rows(
        &self,
        asked: &Asked,
        looked: &[Rows],
        values: Vec<Vec<Vec<f32>>>,
    ) -> Result<(), Error> {
        for ((asked, rows), values) in asked.tables.iter().zip(looked).zip(values) {
            let mut values = values.concat();
            values.resize((rows.rows.size() / 4) as usize, 0.0);
            let what = "rows that were looked up";
            self.gpu.write(what, rows.rows.buffer(), bytemuck::cast_slice(&values))?;
            self.gpu.write(what, rows.map.buffer(), &asked.wanted.map)?;
        }
        Ok(())
    }

    /// Lets go of rows that get no gradient: their buffers are used again. What reads them is submitted before. It talks
    /// to nobody.
    pub fn forget(&mut self, looked: Looked) {
        let buffers = |rows: Rows| [rows.rows, rows.map].map(|region| region.buffer().clone());
        self.spare.extend(looked.tables.into_iter().flat_map(buffers));
    }

    /// The places of tables.
    fn numbers(&self, ids: &[(ParamId, &[i64])]) -> Result<Vec<usize>, Error> {
        let of = |&(id, ids): &(ParamId, &[i64])| {
            let number = self.number(id)?;
            let (found, limit) = (ids.len() as u64, i32::MAX as u64);
            if found > limit {
                let what = format!("ids of {:?}", self.tables[number].1.name);
                return Err(Error::TooLarge { what, found, limit });
            }
            Ok(number)
        };
        ids.iter().map(of).collect()
    }

    /// The rows of this rank that all ranks ask for, and places for those that it has asked for.
    fn fetch(&mut self, asked: &Asked) -> Result<(Vec<OfDim>, Vec<Rows>), Error> {
        let (mut fetched, mut looked) = (Vec::new(), Vec::new());
        for asked in &asked.tables {
            let (id, shard) = &self.tables[self.number(asked.id)?];
            let (dim, format, name) = (shard.dim, shard.format, shard.name.clone());
            let windows = self.core.regions(*id)?;
            if self.fetching.is_none() {
                self.fetching = Some(Fetch::new(&self.gpu)?);
            }
            if let Some(fetch) = &mut self.fetching {
                let rows = asked.by_rank.concat();
                fetched.push((dim, fetch.rows(&self.gpu, (&windows, format, dim), &rows)?));
            }
            let unique = asked.wanted.unique();
            let rows = self.spare(&name, ((unique + 1) * dim) as u64)?;
            let map = self.spare(&name, asked.ids.len().max(1) as u64)?;
            looked.push(Rows { rows, map, unique: unique as u32 });
        }
        Ok((fetched, looked))
    }

    /// A place for words, in a buffer that was used before where one is large enough.
    fn spare(&mut self, what: &str, words: u64) -> Result<Region, Error> {
        let fits = self.spare.iter().position(|buffer| buffer.size() >= 4 * words);
        // Where none is, one goes, so that those that are kept grow with what is asked for.
        let place = fits.or(self.spare.len().checked_sub(1));
        let mut held = place.map(|place| self.spare.swap_remove(place));
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
        Ok(self.gpu.at_least(what, &mut held, 4 * words, usage)?)
    }
}
