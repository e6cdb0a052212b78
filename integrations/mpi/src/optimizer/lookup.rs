//! Rows looked up over ranks, and the gradients that come back for them.

use super::ShardedOptimizer;
use super::send::{Of, tables};
use crate::entries::Given;
use crate::lookup::{
    Asked, AskedTable, Fetch, Gathered, Looked, Rows, asked_for, wanted, words_of,
};
use crate::words::push_list;
use crate::{Error, Transport, Values};
use sparse_adam::{ParamId, Region};
use wgpu::BufferUsages;

/// Values of a row of a table, and rows of it.
type OfDim = (usize, Gathered);

impl<T: Transport> ShardedOptimizer<T> {
    /// Tells every rank which of its rows this one wants: of each table the rows that a list of ids names, in any order, repeats
    /// allowed. Collective; ranks name the same tables in the same order. It does not wait for a device: after a
    /// [`ShardedOptimizer::step`], ids travel while devices compute. All tables share one exchange.
    ///
    /// # Errors
    /// [`sparse_adam::Error::UnknownParam`], [`Error::NamedTwice`], [`Error::TooLarge`] for more than 2^31 - 1 ids of a table;
    /// [`Error::Peer`], [`Error::Disagree`], [`Error::RankLost`], [`Error::Garbled`].
    pub fn ask(&mut self, ids: &[(ParamId, &[i64])]) -> Result<Asked, Error> {
        let numbers = self.numbers(ids);
        let named = numbers.as_deref().unwrap_or_default();
        let doing = format!("ask for rows of {}", self.names(named.iter().copied()));
        let numbers = self.meet(&doing, numbers)?;
        let deals: Vec<_> = numbers.iter().map(|&number| self.tables[number].1.deal).collect();
        let wanted: Vec<_> =
            deals.iter().zip(ids).map(|(&deal, (_, ids))| wanted(deal, ids)).collect();
        let mut messages = self.no_words();
        for wanted in &wanted {
            let lists = messages.iter_mut().zip(&wanted.by_owner);
            lists.for_each(|(words, list)| push_list(words, list));
        }
        let messages = self.exchange(messages)?;
        let own = self.rank();
        let asked = tables(&messages, numbers.len(), |table, rank, reader| {
            asked_for(rank, deals[table].rows_of(own), reader)
        });
        let asked = self.or_broken(asked)?;
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
    /// As [`ShardedOptimizer::ask`]; what a device says.
    pub fn rows(&mut self, asked: Asked) -> Result<Looked, Error> {
        let fetched = self.fetch(&asked);
        let named: Vec<_> = asked.tables.iter().map(|table| self.number(table.id)).collect();
        let named = named.iter().flatten().copied();
        let doing = format!("rows of {}, asked for by call {}", self.names(named), asked.number);
        let (fetched, looked) = self.meet(&doing, fetched)?;
        let mut messages = self.no_words();
        for (asked, (dim, gathered)) in asked.tables.iter().zip(&fetched) {
            let mut at = 0;
            for (words, rows) in messages.iter_mut().zip(&asked.by_rank) {
                let end = at + rows.len() * dim;
                words.extend(gathered.packed(at..end));
                at = end;
            }
        }
        let messages = self.exchange(messages)?;
        let values = tables(&messages, asked.tables.len(), |table, rank, reader| {
            let asked = &asked.tables[table];
            let shard = &self.tables[self.number(asked.id)?].1;
            let count = asked.wanted.by_owner[rank as usize].len() * shard.dim;
            let words = reader.take(words_of(shard.format, count as u64))?;
            Ok(shard.format.unpack(words, count))
        });
        let values = self.or_broken(values)?;
        for ((asked, rows), values) in asked.tables.iter().zip(&looked).zip(values) {
            let mut values = values.concat();
            values.resize((rows.rows.size() / 4) as usize, 0.0);
            let what = "rows that were looked up";
            self.gpu.write(what, rows.rows.buffer(), bytemuck::cast_slice(&values))?;
            self.gpu.write(what, rows.map.buffer(), &asked.wanted.map)?;
        }
        let ids = asked.tables.into_iter().map(|asked| (asked.id, asked.ids)).collect();
        Ok(Looked { tables: looked, ids })
    }

    /// Takes the gradient of rows that were looked up, of each table in their order, for the next [`ShardedOptimizer::step`], which
    /// names the tables by that. Collective. Reads the values back: what writes them is submitted before. The
    /// buffers of the rows are used again from now on: what reads them is submitted too.
    ///
    /// # Errors
    /// [`Error::WrongLength`] for values that are too short or of another number of tables; [`Error::NoSuchBag`]; [`Error::NamedTwice`] for a table
    /// that has been given a gradient since the last step; what a device says, also for a buffer without `COPY_SRC`;
    /// [`Error::Peer`], [`Error::Disagree`], [`Error::RankLost`]. No rank has taken anything then.
    pub fn give(&mut self, looked: Looked, values: &[Values]) -> Result<(), Error> {
        let read = self.read_values(&looked, values);
        let named: Vec<_> = looked.ids.iter().map(|(id, _)| self.number(*id)).collect();
        let doing = format!("give gradients of {}", self.names(named.iter().flatten().copied()));
        let read = self.meet(&doing, read)?;
        self.forget(looked);
        self.given.extend(read);
        Ok(())
    }

    /// Lets go of rows that get no gradient: their buffers are used again. What reads them is submitted before. It talks
    /// to nobody.
    pub fn forget(&mut self, looked: Looked) {
        let buffers = |rows: Rows| [rows.rows, rows.map].map(|region| region.buffer().clone());
        self.spare.extend(looked.tables.into_iter().flat_map(buffers));
    }

    /// The places of tables, each named once.
    fn numbers(&self, ids: &[(ParamId, &[i64])]) -> Result<Vec<usize>, Error> {
        let mut numbers = Vec::with_capacity(ids.len());
        for &(id, ids) in ids {
            let number = self.number(id)?;
            let name = &self.tables[number].1.name;
            if numbers.contains(&number) {
                return Err(Error::NamedTwice { table: name.clone() });
            }
            let (found, limit) = (ids.len() as u64, i32::MAX as u64);
            if found > limit {
                return Err(Error::TooLarge { what: format!("ids of {name:?}"), found, limit });
            }
            numbers.push(number);
        }
        Ok(numbers)
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

    fn read_values(
        &self,
        looked: &Looked,
        values: &[Values],
    ) -> Result<Vec<Of<Given<'static>>>, Error> {
        if values.len() != looked.ids.len() {
            let (expected, found) = (looked.ids.len(), values.len());
            let table = "the tables that were looked up".into();
            return Err(Error::WrongLength { table, expected, found });
        }
        let read = |((id, ids), values): (&(ParamId, Vec<i64>), &Values)| {
            let number = self.number(*id)?;
            let shard = &self.tables[number].1;
            if self.given.iter().any(|(given, _)| *given == number) {
                return Err(Error::NamedTwice { table: shard.name.clone() });
            }
            let (name, entries) = (&shard.name, ids.len());
            let value_rows = values.bags.as_ref().map_or(entries, |(_, bags)| *bags as usize);
            let mut wanted = vec![part(name, &values.rows, value_rows * shard.dim)?];
            if let Some((map, _)) = &values.bags {
                wanted.push(part(name, map, entries)?);
            }
            if let Some(weights) = &values.weights {
                wanted.push(part(name, weights, entries)?);
            }
            let mut read = self.gpu.read(name, &wanted)?.into_iter();
            let rows = bytemuck::cast_vec(read.next().unwrap_or_default());
            let map = values.bags.as_ref().and_then(|_| read.next());
            let weights = values.weights.as_ref().and_then(|_| read.next());
            let outside =
                |map: &Vec<u32>| map.iter().copied().find(|&bag| bag as usize >= value_rows);
            if let Some(found) = map.as_ref().and_then(outside) {
                return Err(Error::NoSuchBag {
                    table: name.clone(),
                    found,
                    bags: value_rows as u32,
                });
            }
            let weights = weights.map(bytemuck::cast_vec);
            Ok((number, Given { ids: ids.clone().into(), values: Vec::into(rows), map, weights }))
        };
        looked.ids.iter().zip(values).map(read).collect()
    }
}

/// The first `words` of a region.
fn part(table: &str, region: &Region, words: usize) -> Result<Region, Error> {
    let (bytes, found) = (4 * words as u64, (region.size() / 4) as usize);
    if found < words {
        return Err(Error::WrongLength { table: table.into(), expected: words, found });
    }
    Ok(Region::new(region.buffer(), region.offset(), bytes))
}
