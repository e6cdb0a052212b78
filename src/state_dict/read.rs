//! The state's way back to the host.

use super::{GroupState, ParamState, StateDict, StateStorage, parts, rows};
use crate::guard::Guard;
use crate::readback::{Reading, Wait};
use crate::rule::Rule;
use crate::table::{State, Table};
use crate::{Error, Format, ParamId, Region, SparseAdam};
use std::ops::Range;
use std::sync::Arc;
use wgpu::WasmNotSend;

impl SparseAdam {
    /// Reads the state back: that of the moment of this call, after every step submitted before it.
    /// Steps recorded but not submitted are counted but not in the moments: submit first.
    ///
    /// The call itself submits copies of all moments, in one submit; what is recorded, submitted or
    /// loaded later is not seen. The future does not borrow the optimizer, so training may go on while
    /// the state is on its way. Natively its first poll waits for the device; in a browser it yields.
    /// Until it is done it holds staging memory of the state's size
    /// ([`Resources::state_bytes`](crate::Resources::state_bytes)), let go of piece by piece as the
    /// host's copy grows; where that is too much, read with [`SparseAdam::state_of`].
    ///
    /// # Errors
    /// [`Error::DeviceLost`], [`Error::OutOfMemory`], [`Error::Refused`].
    pub fn state_dict(
        &self,
    ) -> impl Future<Output = Result<StateDict, Error>> + WasmNotSend + use<> {
        let numbering = self.numbering();
        let numbers = (0..).zip(&numbering).map(|(number, &table)| (number, &self.tables[table]));
        let reading = Snapshot::take(&self.recorder.guard, numbers);
        let mut dict = StateDict { param_groups: self.group_states(), ..Default::default() };
        for (number, &table) in numbering.iter().enumerate() {
            let table = &self.tables[table];
            let of = |state: &State| StateStorage::new(table.storage.moments, state.rounding);
            let storage = table.state.as_ref().map(of);
            let told = storage.filter(|storage| *storage != StateStorage::default());
            dict.storage.extend(told.map(|storage| (number, storage)));
        }
        async move {
            dict.state.extend(reading?.finish().await?);
            Ok(dict)
        }
    }

    /// Reads the state of one parameter back, as [`SparseAdam::state_dict`] does; None where it has
    /// none: before its first gradient.
    ///
    /// # Errors
    /// [`Error::UnknownParam`], [`Error::DeviceLost`], [`Error::OutOfMemory`], [`Error::Refused`].
    pub fn state_of(
        &self,
        param: ParamId,
    ) -> impl Future<Output = Result<Option<ParamState>, Error>> + WasmNotSend + use<> {
        let table = self.table(param);
        let guard = &self.recorder.guard;
        let reading = table.and_then(|table| Snapshot::take(guard, [(0, table)]));
        async move { Ok(reading?.finish().await?.pop().map(|(_, state)| state)) }
    }

    /// The groups of [`SparseAdam::state_dict`], without reading anything back: parameters are numbered as torch does.
    #[must_use]
    pub fn group_states(&self) -> Vec<GroupState> {
        let mut next = 0;
        let state = |(group, held): (usize, &crate::options::Group)| {
            let names = self.names(group);
            let params = (next..next + names.len()).collect();
            next += names.len();
            let unnamed = GroupState::new(held.options, params);
            GroupState { initial_lr: held.initial_lr, param_names: Some(names), ..unnamed }
        };
        self.groups.iter().enumerate().map(state).collect()
    }
}

/// States of some tables, copied and on their way.
pub(crate) struct Snapshot {
    guard: Arc<Guard>,
    /// How often verdicts had been forgotten.
    times: u64,
    reading: Reading,
    states: Vec<Held>,
}

/// A state of which some has arrived.
pub(crate) struct Held {
    number: usize,
    step: u64,
    shape: Vec<u32>,
    moments: Format,
    /// Values per row.
    dim: usize,
    rule: Rule,
    /// Bytes that are to come: of values, then of what rows have of their own.
    left: [u64; 2],
    /// Each `[rows, dim]`, in the order of the rule's.
    pub fields: Vec<Vec<f32>>,
    /// Each `[rows]`, likewise.
    rows: Vec<Vec<u32>>,
}

impl Held {
    fn new(number: usize, table: &Table, state: &State) -> Self {
        let rows = table.geometry.rows as usize;
        let values = rows * table.geometry.dim as usize;
        let bytes = |regions: &[Region]| regions.iter().map(Region::size).sum();
        Self {
            number,
            step: state.step,
            shape: table.shape.clone(),
            moments: table.storage.moments,
            dim: table.geometry.dim as usize,
            rule: table.rule,
            left: [bytes(&state.windows), bytes(&state.rows)],
            fields: table.rule.state().iter().map(|_| Vec::with_capacity(values)).collect(),
            rows: table.rule.row_state().iter().map(|_| Vec::with_capacity(rows)).collect(),
        }
    }

    /// Takes whole rows of what is to come next.
    fn take(&mut self, bytes: &[u8]) {
        let [of_values, of_rows] = &mut self.left;
        let words: Vec<u32> = bytemuck::pod_collect_to_vec(bytes);
        if *of_values > 0 {
            *of_values -= bytes.len() as u64;
            rows::take(self.moments, &words, self.dim, &mut self.fields);
        } else {
            *of_rows -= bytes.len() as u64;
            for row in words.chunks_exact(self.rows.len()) {
                self.rows.iter_mut().zip(row).for_each(|(field, &word)| field.push(word));
            }
        }
    }

    fn has_arrived(&self) -> bool {
        self.left == [0, 0]
    }

    /// The state by its names. A rule without a moment has none to save.
    fn named(self) -> (usize, ParamState) {
        let mut state = ParamState::new(self.step, self.shape, Vec::new(), Vec::new());
        for (name, values) in self.rule.state().iter().zip(self.fields) {
            state.set(name, values);
        }
        for (name, words) in self.rule.row_state().into_iter().zip(self.rows) {
            state = match name {
                "row_counter" => state.row_counter(words),
                "prev_iter" => state.prev_iter(words),
                name => {
                    state.set(name, bytemuck::cast_vec(words));
                    state
                }
            };
        }
        (self.number, state)
    }
}

impl Snapshot {
    /// Copies the states of tables, each with its number, where they have one.
    pub fn take<'a>(
        guard: &Arc<Guard>,
        tables: impl IntoIterator<Item = (usize, &'a Table)>,
    ) -> Result<Self, Error> {
        guard.alive()?;
        guard.refused()?;
        let (mut regions, mut states) = (Vec::new(), Vec::new());
        for (number, table) in tables {
            let Some(state) = &table.state else { continue };
            states.push(Held::new(number, table, state));
            let of_values = state.windows.iter().map(|window| (window, table.row_bytes.state));
            let of_rows = state.rows.iter().map(|window| (window, table.row_bytes.rows));
            for (window, row_bytes) in of_values.chain(of_rows) {
                let part = |part: Range<u64>| window.part(part.start, part.end - part.start);
                regions.extend(parts(row_bytes, window.size()).map(part));
            }
        }
        let times = guard.times_forgotten();
        let reading = Reading::start(guard, &regions)?;
        Ok(Self { guard: Arc::clone(guard), times, reading, states })
    }

    /// The states, with their numbers.
    async fn finish(self) -> Result<Vec<(usize, ParamState)>, Error> {
        Ok(self.arrive().await?.into_iter().map(Held::named).collect())
    }

    /// Waits for all.
    pub async fn arrive(self) -> Result<Vec<Held>, Error> {
        let Self { guard, times, reading, mut states } = self;
        let mut table = 0;
        let take = |bytes: &[u8]| {
            while states[table].has_arrived() {
                table += 1;
            }
            states[table].take(bytes);
        };
        reading.finish(&guard, Wait::Block, take).await?;
        guard.refused_since(times)?;
        Ok(states)
    }
}

#[cfg(test)]
mod tests {
    use crate::guard::rig;
    use crate::guard::world::World;
    use crate::{Error, Param};
    use pollster::block_on;

    /// An optimizer of `tables` tables with a state.
    fn stepped(tables: usize) -> World {
        let mut world = World::new();
        for number in 0..tables {
            let param = Param::new(format!("table {number}"), world.buffer(640), [40, 4]);
            let id = world.optimizer.add_param(param).unwrap();
            world.optimizer.set_step_count(id, 7).unwrap();
        }
        world
    }

    #[test]
    fn many_tables_are_read_with_one_copy_and_one_mapping() {
        for tables in [1, 200] {
            // A staging buffer, a submit, a mapping.
            for (requests, refused) in [(2, true), (3, false)] {
                let world = stepped(tables);
                rig::refuse_after(requests);
                let read = block_on(world.optimizer.state_dict());
                assert_eq!(rig::spare(), !refused, "{tables} tables, {requests} requests");
                assert_eq!(read.is_err(), refused);
                assert!(refused || read.unwrap().state.len() == tables);
            }
        }
    }

    #[test]
    fn a_state_on_its_way_hears_what_is_taken_back_meanwhile() {
        let mut world = stepped(1);
        let late = rig::hold_back();
        let grad = world.grad(3);
        world.optimizer.set_grad(world.first, grad).unwrap();
        rig::refuse_after(0);
        world.step().unwrap();
        assert!(!rig::spare(), "the step asked for something");
        // The step that these count has been refused by the device; nobody knows yet.
        let (dict, status) = (world.optimizer.state_dict(), world.optimizer.status(world.first));
        late.arrive();
        let refused = world.optimizer.set_step_count(world.first, 1);
        assert!(matches!(refused, Err(Error::OutOfMemory { .. })), "{refused:?}");
        let read = block_on(dict);
        assert!(matches!(read, Err(Error::OutOfMemory { .. })), "{read:?}");
        assert!(matches!(block_on(status), Err(Error::OutOfMemory { .. })));
        drop(late);
        assert!(block_on(world.optimizer.state_dict()).is_ok());
    }
}
