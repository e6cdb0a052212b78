//! Tables whose rows move: another number of them, elsewhere.

use crate::entries::Entries;
use crate::places::overlap;
use crate::region::Spot;
use crate::step::list::{Bind, Moving};
use crate::step::record::Binds;
use crate::step::shape::Window;
use crate::table::{Lain, State, Table};
use crate::{Error, ParamId, ParamPlace, ParamRows, Region, RowMap, SparseAdam};
use std::sync::Arc;
use wgpu::CommandEncoder;

impl SparseAdam {
    /// Records that parameters become tables of the rows of `map`, each in a new place: row `i` there goes on with the
    /// moments, and all else that rows have, of old row `from[i]`, or begins anew, with zero state, where that is
    /// [`RowMap::NONE`]. So tables grow, shrink, are sorted or compacted, and rows become several. The parameter's own rows are
    /// copied along, or left to the caller ([`RowMap::param_rows`]).
    ///
    /// It is recorded as a step is: commands recorded before see the old tables, those after it the new ones. Nothing is read
    /// back and nothing waits. Ids, names, groups and step counts stay; gradients set from now on name new rows. The old place
    /// is the caller's again once this is submitted, and so is the map. Until then the device holds both states: new ones are
    /// made for it, and old ones let go of ([`Resources::state_bytes`](crate::Resources::state_bytes) each).
    ///
    /// What is recorded must be submitted: the optimizer knows the new tables alone from now on, so if the encoder is dropped,
    /// the old places still have their rows, but the moments are lost.
    ///
    /// A place needs usage `STORAGE` and holds `[rows, ..]` in the parameter's format, as for
    /// [`SparseAdam::add_param`]. It shares no byte with any parameter, old place or new one, with gradients that are set, or
    /// with the map. Without parameters, nothing is done.
    ///
    /// # Errors
    /// [`Error::UnknownParam`]; those of [`SparseAdam::add_param`] for a place and a shape; [`Error::BufferTooSmall`],
    /// [`Error::MissingUsage`], [`Error::Misaligned`] and [`Error::TooLarge`] for the map; [`Error::Overlap`];
    /// [`Error::Unsupported`] for a parameter that is named twice, of several sparse axes, or with a gradient that has entries
    /// (of old rows: step, and clear gradients, before), or
    /// whose rows have numbers ([`SparseAdam::set_row_numbers`]); [`Error::InvalidBuffer`], [`Error::OutOfMemory`],
    /// [`Error::DeviceLost`], [`Error::Refused`]. Then nothing was recorded or changed.
    ///
    /// In a browser a device tells only later that it has no memory: then a later call returns the error, the parameters are
    /// what they were before, and gradients that they were given since are cleared.
    pub fn remap_rows<P: Into<ParamPlace>>(
        &mut self,
        encoder: &mut CommandEncoder,
        map: RowMap,
        params: impl IntoIterator<Item = (ParamId, P)>,
    ) -> Result<(), Error> {
        self.begin()?;
        let map = map.check(self.recorder.shape)?;
        let mut moved: Vec<Moved> = Vec::new();
        for (param, place) in params {
            let next = self.moved(param, place.into(), &map, &moved)?;
            moved.push(next);
        }
        if moved.is_empty() {
            return Ok(());
        }
        self.check_buffers_of(&map, &moved)?;
        self.make_moved(&map, &mut moved)?;
        self.trust_lain(&moved);
        for Moved { table, lain, state } in moved {
            self.lie(table, lain);
            if state.is_some() {
                self.tables[table].state = state;
            }
        }
        self.recorder.record_ready(encoder, "sparse_adam::remap");
        // They would hold old places and states.
        self.recorder.bind_groups.clear();
        Ok(())
    }

    /// Checks what a parameter is to become, beside others.
    fn moved(
        &self,
        param: ParamId,
        place: ParamPlace,
        map: &RowMap,
        others: &[Moved],
    ) -> Result<Moved, Error> {
        let number = self.number_of(param)?;
        let table = &self.tables[number];
        let refuse = |what, remedy| Err(Error::Unsupported { what, remedy });
        if others.iter().any(|other| other.table == number) {
            return refuse("remapping a parameter twice in one call", "name it once");
        }
        if !table.grads.is_empty() {
            return refuse(
                "remapping a parameter whose gradient names rows of the old table",
                "step first, then call clear_grads or zero_grads",
            );
        }
        if table.numbers.is_some() {
            return refuse(
                "remapping a parameter whose rows have numbers of the caller's",
                "call clear_row_numbers first, and set_row_numbers for the new rows",
            );
        }
        let lain = table.lain_in(place, map.rows, self.recorder.shape)?;
        let what = ("new place", &*table.name);
        self.check_place(lain.regions(), what, None)?;
        let shares = |other: &Region| lain.regions().any(|region| region.overlaps(other));
        if shares(&map.from) {
            return Err(overlap(("map of rows", &table.name), what));
        }
        let shared = others.iter().find(|other| other.lain.regions().any(shares));
        if let Some(other) = shared {
            return Err(overlap(("new place", &self.tables[other.table].name), what));
        }
        Ok(Moved { table: number, lain, state: None })
    }

    /// Checks that the device can use all buffers, and that the map is no parameter's.
    fn check_buffers_of(&mut self, map: &RowMap, moved: &[Moved]) -> Result<(), Error> {
        let named = |number: usize| self.tables[number].name.as_str();
        let first = moved.first().map_or("", |first| named(first.table));
        if let Some(owner) = self.places.owners(&map.from).next() {
            return Err(overlap(("parameter", named(owner)), ("map of rows", first)));
        }
        // Rows that the caller moves are not read here.
        let copied = moved.iter().filter(|_| map.param_rows == ParamRows::Copied);
        let old = copied.flat_map(|moved| self.tables[moved.table].placed());
        let new = moved.iter().flat_map(|moved| {
            let name = named(moved.table);
            moved.lain.regions().map(move |region| (name, "new place", region))
        });
        let given = [(first, "map of rows", &map.from)].into_iter().chain(old).chain(new);
        self.recorder.witness.check(&self.recorder.guard, given)
    }

    /// Makes new states, and all that is to be recorded.
    fn make_moved(&mut self, map: &RowMap, moved: &mut [Moved]) -> Result<(), Error> {
        let guard = Arc::clone(&self.recorder.guard);
        let held = |moved: &&Moved| self.tables[moved.table].state.is_some();
        let asked = moved.iter().filter(held);
        let asked = asked.map(|moved| (&self.tables[moved.table], &*moved.lain.windows));
        let mut made = State::of_all(&guard, asked, self.recorder.shape)?.into_iter();
        for Moved { table, state, .. } in &mut *moved {
            if let Some(held) = &self.tables[*table].state {
                let made = made.next();
                *state =
                    made.map(|made| State { step: held.step, rounding: held.rounding, ..made });
            }
        }
        let windows = |moved: &Moved| {
            let old = windows_of(&self.tables[moved.table].windows);
            (old, windows_of(&moved.lain.windows))
        };
        let cut: Vec<_> = moved.iter().map(windows).collect();
        let moving = moved.iter().zip(&cut).map(|(moved, (old, new))| Moving {
            table: moved.table as u32,
            bytes: self.tables[moved.table].row_bytes,
            takes_param: map.param_rows == ParamRows::Copied,
            has_state: moved.state.is_some(),
            old,
            new,
        });
        self.recorder.prepare_remap(moving)?;
        let (tables, groups) = (&self.tables, &self.groups);
        let on = Remapping { tables, moved, rows: &map.from };
        self.recorder.make_ready(&on, |number| tables[number as usize].step_of(groups, 0))
    }

    /// As [`SparseAdam::trust`], where tables are about to lie elsewhere.
    fn trust_lain(&mut self, moved: &[Moved]) {
        self.trust(&[]);
        let Some(before) = &mut self.before else { return };
        for &Moved { table, .. } in moved {
            before.lain.entry(table).or_insert_with(|| self.tables[table].lain());
        }
    }

    /// Has a table lie elsewhere from now on.
    fn lie(&mut self, number: usize, lain: Lain) {
        self.leave_place(number);
        self.tables[number].lie(lain);
        self.tables[number].regions().for_each(|region| self.places.take(region, number));
    }

    /// Gives the bytes back where a table lies.
    pub(super) fn leave_place(&mut self, number: usize) {
        for region in self.tables[number].regions() {
            self.places.give_back(region.buffer(), number);
        }
    }

    /// Has a table, which has left its place, lie as it did before the device refused that it lies elsewhere; its state is
    /// there. Where another parameter has come to its old place meanwhile, it stays where it is and begins anew. Gradients that
    /// have bytes of where it lies now are cleared, as are its own.
    pub(super) fn remap_back(&mut self, number: usize, lain: Lain) {
        // They were given for the rows that are gone again.
        self.tables[number].numbers = None;
        let is_taken = lain.regions().any(|region| self.places.owners(region).next().is_some());
        if is_taken {
            self.tables[number].state = None;
            self.tables[number].regions().for_each(|region| self.places.take(region, number));
        } else {
            self.lie(number, lain);
        }
        let placed: Vec<Region> = self.tables[number].regions().cloned().collect();
        for (other, table) in self.tables.iter_mut().enumerate() {
            let mut given = table.grads.iter().flat_map(Entries::regions);
            let shares = given.any(|given| placed.iter().any(|place| place.overlaps(given)));
            drop(given);
            if other == number || shares {
                table.grads.clear();
                table.has_grad = false;
            }
        }
    }
}

/// A table, and what it is about to become.
#[derive(Debug)]
struct Moved {
    table: usize,
    lain: Lain,
    /// None where the table has none.
    state: Option<State>,
}

/// The rows of windows.
pub(super) fn windows_of(windows: &[crate::table::TableWindow]) -> Vec<Window> {
    windows.iter().map(|held| Window { first_row: held.first_row, rows: held.rows }).collect()
}

/// Tables, what they are about to become, and the rows that they come from.
struct Remapping<'a> {
    tables: &'a Vec<Table>,
    moved: &'a [Moved],
    rows: &'a Region,
}

impl Binds for Remapping<'_> {
    fn bytes_of(&self, bind: Bind) -> Option<Spot<'_>> {
        let moved = |table: u32| self.moved.iter().find(|moved| moved.table == table as usize);
        let state = |table: u32| moved(table)?.state.as_ref();
        match bind {
            Bind::Rows { first, entries } => {
                Some(self.rows.spot().part(4 * u64::from(first), 4 * u64::from(entries)))
            }
            Bind::NewParam { table, window } => {
                let windows = &moved(table)?.lain.windows;
                windows.get(window as usize).map(|window| window.region.spot())
            }
            Bind::NewState { table, window } => {
                state(table)?.windows.get(window as usize).map(Region::spot)
            }
            Bind::NewRowState { table, window } => {
                state(table)?.rows.get(window as usize).map(Region::spot)
            }
            old => self.tables.bytes_of(old),
        }
    }

    fn count(&self, table: u32, segment: u32) -> Region {
        self.tables.count(table, segment)
    }
}
