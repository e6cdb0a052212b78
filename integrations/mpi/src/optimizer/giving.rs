//! Gradients of rows that were looked up, on their way from the device to the ranks that own the rows.

use super::ShardedOptimizer;
use super::send::Of;
use crate::device::Reading;
use crate::entries::Given;
use crate::{Error, Looked, Transport, Values};
use sparse_adam::{ParamId, Region};

/// Values that are on their way to the host ([`ShardedOptimizer::begin_give`]), for [`ShardedOptimizer::finish_give`].
#[derive(Debug)]
#[must_use = "values that were begun to be given travel only by `finish_give`"]
pub struct Giving {
    looked: Looked,
    reading: Result<Vec<Of<Coming>>, Error>,
}

/// Values of one table.
#[derive(Debug)]
struct Coming {
    reading: Reading,
    value_rows: usize,
    has_map: bool,
    has_weights: bool,
}

impl<T: Transport> ShardedOptimizer<T> {
    /// Takes the gradient of rows that were looked up, of each table in their order, for the next [`ShardedOptimizer::step`], which
    /// names the tables by that, and sends it to the rows' owners. Collective. Waits for what writes the values, which is submitted
    /// before. The buffers of the rows are used again from now on: what reads them is submitted too.
    ///
    /// A table may be looked up and given gradients several times before a step.
    ///
    /// # Errors
    /// [`Error::WrongLength`] for values that are too short or of another number of tables; [`Error::NoSuchBag`]; [`Error::Unsupported`] for
    /// options that do not go with [`Sums`](super::Sums) of entries; what a device says, also for a buffer without `COPY_SRC`;
    /// [`Error::Peer`], [`Error::Disagree`]: no rank has taken anything then. [`Error::RankLost`], [`Error::Garbled`].
    pub fn give(&mut self, looked: Looked, values: &[Values]) -> Result<(), Error> {
        let giving = self.begin_give(looked, values);
        self.finish_give(giving)
    }

    /// The first part of [`ShardedOptimizer::give`]: has the device copy the values to the host behind all that was submitted
    /// before, and waits for nothing. What is submitted between the two parts, of a model's other gradients for one, the device does
    /// while values travel: `finish_give` waits for the copy alone. It talks to nobody; what is wrong, `finish_give` tells all ranks.
    pub fn begin_give(&mut self, looked: Looked, values: &[Values]) -> Giving {
        let reading = self.begin_reading(&looked, values);
        Giving { looked, reading }
    }

    /// The second part of [`ShardedOptimizer::give`]. Collective.
    ///
    /// # Errors
    /// As [`ShardedOptimizer::give`].
    pub fn finish_give(&mut self, giving: Giving) -> Result<(), Error> {
        let Giving { looked, reading } = giving;
        let read = reading.and_then(|coming| self.finish_reading(&looked, coming));
        let named: Vec<_> = looked.ids.iter().map(|(id, _)| self.number(*id)).collect();
        let names = self.names(named.into_iter().flatten());
        // Ranks that give those of two lookups the other way round would have entries in another order.
        let doing = format!("give gradients of {names}, asked for by call {}", looked.number);
        self.send_gradients(&doing, read)?;
        self.forget(looked);
        Ok(())
    }

    fn begin_reading(&self, looked: &Looked, values: &[Values]) -> Result<Vec<Of<Coming>>, Error> {
        if values.len() != looked.ids.len() {
            let (expected, found) = (looked.ids.len(), values.len());
            let table = "the tables that were looked up".into();
            return Err(Error::WrongLength { table, expected, found });
        }
        let each = looked.ids.iter().zip(values);
        each.map(|((id, ids), values)| self.begin_table(*id, ids.len(), values)).collect()
    }

    fn begin_table(
        &self,
        id: ParamId,
        entries: usize,
        values: &Values,
    ) -> Result<Of<Coming>, Error> {
        let number = self.number(id)?;
        self.check_sums(id)?;
        let (name, dim) = (&self.tables[number].1.name, self.tables[number].1.dim);
        let value_rows = values.bags.as_ref().map_or(entries, |(_, bags)| *bags as usize);
        let mut wanted = vec![part(name, &values.rows, value_rows * dim)?];
        if let Some((map, _)) = &values.bags {
            wanted.push(part(name, map, entries)?);
        }
        if let Some(weights) = &values.weights {
            wanted.push(part(name, weights, entries)?);
        }
        let (has_map, has_weights) = (values.bags.is_some(), values.weights.is_some());
        let reading = self.gpu.begin_read(name, &wanted)?;
        Ok((number, Coming { reading, value_rows, has_map, has_weights }))
    }

    fn finish_reading(
        &self,
        looked: &Looked,
        coming: Vec<Of<Coming>>,
    ) -> Result<Vec<Of<Given<'static>>>, Error> {
        let finished = |((number, coming), (_, ids)): (Of<Coming>, &(ParamId, Vec<i64>))| {
            let Coming { reading, value_rows, has_map, has_weights } = coming;
            let table = &self.tables[number].1.name;
            let mut read = self.gpu.finish_read(table, reading)?.into_iter();
            let values: Vec<f32> = bytemuck::cast_vec(read.next().unwrap_or_default());
            let map = has_map.then(|| read.next().unwrap_or_default());
            let weights = has_weights.then(|| read.next().unwrap_or_default());
            let is_outside = |bag: &u32| *bag as usize >= value_rows;
            if let Some(found) = map.iter().flatten().copied().find(is_outside) {
                let (table, bags) = (table.clone(), value_rows as u32);
                return Err(Error::NoSuchBag { table, found, bags });
            }
            let (ids, weights) = (ids.clone().into(), weights.map(bytemuck::cast_vec));
            Ok((number, Given { ids, values: values.into(), map, weights }))
        };
        coming.into_iter().zip(&looked.ids).map(finished).collect()
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
