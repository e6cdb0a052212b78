//! Tables whose rows move or begin anew, on both sides.

use super::Pair;
use crate::stored::packed;
use crate::{Poisoned, Rng, rounded};
use sparse_adam::{Error, ParamRows, RowList, RowMap, Status, reference};
use wgpu::CommandEncoder;

impl Pair<'_> {
    /// Records that tables become those of the rows `from` of theirs, in places of their own with values that `rng` draws, and
    /// has their twins become it too. Returns what each twin counts.
    ///
    /// # Errors
    /// Those of [`SparseAdam::remap_rows`](sparse_adam::SparseAdam::remap_rows); then nothing has changed.
    pub fn try_remap(
        &mut self,
        encoder: &mut CommandEncoder,
        tables: &[usize],
        (from, param_rows): (&[u32], ParamRows),
        rng: &mut Rng,
    ) -> Result<Vec<Status>, Error> {
        let place = |table: usize| {
            let (dim, format) = (self.twins[table].dim, self.stored[table].param);
            rounded(format, &rng.floats(from.len() * dim))
        };
        let values: Vec<Vec<f32>> = tables.iter().copied().map(place).collect();
        let packed: Vec<_> = values
            .iter()
            .zip(tables)
            .map(|(values, &table)| packed(self.stored[table].param, values))
            .collect();
        let places: Vec<Poisoned> = packed.iter().map(|packed| self.place(packed)).collect();
        let map = RowMap::new(self.hold(from), from.len() as u32).param_rows(param_rows);
        let regions = places.iter().map(|place| place.region.clone());
        let params = tables.iter().map(|&table| self.ids[table]).zip(regions);
        let params: Vec<_> = params.collect();
        self.optimizer.remap_rows(encoder, map, params)?;
        let mut counted = Vec::new();
        for ((&table, place), values) in tables.iter().zip(places).zip(values) {
            self.params[table] = place;
            counted.push(reference::remap(&mut self.twins[table], from, values, param_rows));
        }
        Ok(counted)
    }

    /// Records that rows of tables begin anew, of a list that has room for more where `room` is not 0, and has their twins
    /// do it too. Returns what each twin counts.
    ///
    /// # Errors
    /// Those of [`SparseAdam::reset_rows`](sparse_adam::SparseAdam::reset_rows).
    pub fn try_reset(
        &mut self,
        encoder: &mut CommandEncoder,
        tables: &[usize],
        rows: &[u32],
        room: usize,
    ) -> Result<Vec<Status>, Error> {
        // Behind those that are meant lies one that would be found out.
        let held: Vec<u32> = rows.iter().copied().chain(std::iter::repeat_n(0, room)).collect();
        let mut list = RowList::new(self.hold(&held), held.len() as u32);
        if room > 0 {
            list = list.count(self.hold(&[rows.len() as u32]));
        }
        let params: Vec<_> = tables.iter().map(|&table| self.ids[table]).collect();
        self.optimizer.reset_rows(encoder, params, list)?;
        let reset = |&table: &usize| reference::reset_rows(&mut self.twins[table], rows);
        Ok(tables.iter().map(reset).collect())
    }
}
