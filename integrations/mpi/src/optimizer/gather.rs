//! A whole table, put together on rank 0.

use super::ShardedOptimizer;
use crate::table::Shard;
use crate::words::{Reader, push_list, push_wide};
use crate::{Error, Transport, Whole};
use sparse_adam::{ParamId, ParamState};

/// A rank's rows of the tensors of a table, as words: `None` where the table has no such tensor.
#[derive(Default)]
struct Part {
    values: Vec<u32>,
    /// Steps counted, where there is a state.
    step: Option<u64>,
    /// `exp_avg`, `exp_avg_sq`, `max_exp_avg_sq`, `row_counter`, `prev_iter`; empty where there is none.
    tensors: [Vec<u32>; 5],
}

impl<T: Transport> ShardedOptimizer<T> {
    /// Reads a table and its state back and puts them together on rank 0; the other ranks return None. Collective.
    /// It needs memory for the whole table on rank 0's host.
    ///
    /// # Errors
    /// [`sparse_adam::Error::UnknownParam`], those of reading back; [`Error::TooLarge`] for a table of more than 2^32 - 1
    /// rows; [`Error::Peer`], [`Error::Disagree`], [`Error::RankLost`].
    pub fn gather(&mut self, table: ParamId) -> Result<Option<Whole>, Error> {
        let read = self.part(table);
        let doing = format!("gather of {:?}", self.core.name(table).unwrap_or_default());
        let mine = read.map(|part| {
            let mut messages = self.link.no_words();
            messages[0] = part.words();
            ((), messages)
        });
        let ((), received) = self.send(&doing, mine)?;
        if self.rank() > 0 {
            return Ok(None);
        }
        let parts: Result<Vec<_>, _> =
            (0..).zip(&received).map(|(rank, words)| Part::read(rank, words)).collect();
        whole(&self.tables[self.number(table)?].1, &parts?).map(Some)
    }

    /// This rank's rows.
    fn part(&self, table: ParamId) -> Result<Part, Error> {
        let (id, shard) = &self.tables[self.number(table)?];
        let (found, limit) = (shard.deal.rows, u64::from(u32::MAX));
        if found > limit {
            return Err(Error::TooLarge {
                what: format!("rows of {:?}", shard.name),
                found,
                limit,
            });
        }
        let rows = shard.deal.rows_of(self.rank()) as usize;
        // Of a rank without rows, none of what lies there is of the table.
        let own = |words: &[u32]| words[..words.len() / rows.max(1) * rows].to_vec();
        let floats = |values: &[f32]| own(bytemuck::cast_slice(values));
        let words = self.gpu.read(&shard.name, &[(&shard.buffer).into()])?.remove(0);
        let values = floats(&shard.format.unpack(&words, rows.max(1) * shard.dim));
        let Some(state) = pollster::block_on(self.core.state_of(*id))? else {
            return Ok(Part { values, ..Part::default() });
        };
        let counts = state.rows.unwrap_or_default();
        let tensors = [
            floats(&state.exp_avg),
            floats(&state.exp_avg_sq),
            floats(&state.max_exp_avg_sq.unwrap_or_default()),
            own(&counts.row_counter.unwrap_or_default()),
            own(&counts.prev_iter.unwrap_or_default()),
        ];
        Ok(Part { values, step: Some(state.step), tensors })
    }
}

impl Part {
    fn words(&self) -> Vec<u32> {
        let mut words = Vec::new();
        push_list(&mut words, &self.values);
        words.push(u32::from(self.step.is_some()));
        push_wide(&mut words, self.step.unwrap_or_default());
        self.tensors.iter().for_each(|tensor| push_list(&mut words, tensor));
        words
    }

    fn read(rank: u32, words: &[u32]) -> Result<Self, Error> {
        let mut reader = Reader::new(rank, words);
        let values = reader.list()?.to_vec();
        let has_state = reader.take(1)? == [1];
        let step = Some(reader.wide()?).filter(|_| has_state);
        let mut tensors = <[Vec<u32>; 5]>::default();
        for tensor in &mut tensors {
            *tensor = reader.list()?.to_vec();
        }
        reader.end()?;
        Ok(Self { values, step, tensors })
    }
}

/// The table that the ranks' parts are of.
fn whole(shard: &Shard, parts: &[Part]) -> Result<Whole, Error> {
    let rows = |part: fn(&Part) -> &Vec<u32>| {
        let parts: Vec<_> = parts.iter().map(|held| part(held).as_slice()).collect();
        shard.deal.joined(&parts).map_err(|rank| Error::Garbled { rank })
    };
    let floats = |words: Vec<u32>| bytemuck::cast_vec::<u32, f32>(words);
    let values = floats(rows(|part| &part.values)?);
    let Some(step) = parts[0].step else { return Ok(Whole { values, state: None }) };
    if let Some(rank) = parts.iter().position(|part| part.step != Some(step)) {
        return Err(Error::Garbled { rank: rank as u32 });
    }
    let mut shape = vec![shard.deal.rows as u32];
    shape.extend(&shard.row_shape);
    let moments = [rows(|part| &part.tensors[0])?, rows(|part| &part.tensors[1])?].map(floats);
    let [exp_avg, exp_avg_sq] = moments;
    let mut state = ParamState::new(step, shape, exp_avg, exp_avg_sq);
    let has = |tensor: &Vec<u32>| !tensor.is_empty();
    if let Some(largest) = Some(rows(|part| &part.tensors[2])?).filter(has) {
        state = state.max_exp_avg_sq(floats(largest));
    }
    if let Some(counts) = Some(rows(|part| &part.tensors[3])?).filter(has) {
        state = state.row_counter(counts);
    }
    if let Some(steps) = Some(rows(|part| &part.tensors[4])?).filter(has) {
        state = state.prev_iter(steps);
    }
    Ok(Whole { values, state: Some(state) })
}
