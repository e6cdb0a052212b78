//! What an optimizer knows of its parameters, for whoever streams, draws, shards or checks them.

use crate::table::State;
use crate::{Error, Format, ParamId, Region, SparseAdam, StateStorage};

/// Neighbouring rows of a parameter, and where something of them lies.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RowWindow {
    /// The first of its rows.
    pub first_row: u32,
    /// How many there are.
    pub rows: u32,
    /// Their bytes, one row behind the other.
    pub region: Region,
}

impl SparseAdam {
    /// The parameters, in the order in which they were added.
    pub fn params(&self) -> impl ExactSizeIterator<Item = ParamId> + use<> {
        let ids: Vec<_> = (0..self.tables.len()).map(|number| self.param_id(number)).collect();
        ids.into_iter()
    }

    /// The name that a parameter was added under.
    ///
    /// # Errors
    /// [`Error::UnknownParam`].
    pub fn name(&self, param: ParamId) -> Result<&str, Error> {
        Ok(&self.table(param)?.name)
    }

    /// The shape that a parameter was added with: its sparse axes, then the others.
    ///
    /// # Errors
    /// [`Error::UnknownParam`].
    pub fn shape(&self, param: ParamId) -> Result<&[u32], Error> {
        Ok(&self.table(param)?.shape)
    }

    /// How a parameter is stored.
    ///
    /// # Errors
    /// [`Error::UnknownParam`].
    pub fn format(&self, param: ParamId) -> Result<Format, Error> {
        Ok(self.table(param)?.storage.param)
    }

    /// How a parameter's moments are stored, and how what has 16 bits is rounded: with the seed of its state, where it
    /// has one already.
    ///
    /// # Errors
    /// [`Error::UnknownParam`].
    pub fn state_storage(&self, param: ParamId) -> Result<StateStorage, Error> {
        let table = self.table(param)?;
        let rounding = table.state.as_ref().map_or(table.storage.rounding, |state| state.rounding);
        Ok(StateStorage::new(table.storage.moments, rounding))
    }

    /// Where a parameter lies, in the order of its rows: `[rows, dim]` of its
    /// [`Format`](crate::Format) for each window. A
    /// parameter in one region has several windows where it is larger than one binding; they follow
    /// on one another then.
    ///
    /// # Errors
    /// [`Error::UnknownParam`].
    pub fn regions(&self, param: ParamId) -> Result<Vec<RowWindow>, Error> {
        let windows = self.table(param)?.windows.iter();
        let window = |window: &crate::table::TableWindow| RowWindow {
            first_row: window.first_row,
            rows: window.rows,
            region: window.region.clone(),
        };
        Ok(windows.map(window).collect())
    }

    /// The moments of a parameter on the GPU, window by window, in the order of its rows: f32
    /// `[rows, 2, dim]` for each window, `exp_avg` and then `exp_avg_sq` of each row, without padding; with
    /// amsgrad `[rows, 3, dim]`, `max_exp_avg_sq` the third. Where rows have second moments
    /// ([`SecondMoment::Row`](crate::SecondMoment::Row)) `[rows, 1, dim]`, `exp_avg` alone. Moments in bf16 are u32
    /// `[rows, dim]`: `exp_avg` in the low half of a word, `exp_avg_sq` in the high half.
    /// Windows are those of [`SparseAdam::regions`]. Where there are no moments yet, they are made
    /// now, zero, at step 0.
    ///
    /// The buffers are the library's own, with usages `STORAGE`, `COPY_SRC` and `COPY_DST`; the moments of several parameters may
    /// be regions of one, each at an offset that storage bindings may have. What is
    /// written to a region counts for every step submitted later: a second moment below zero makes NaN of
    /// its parameter. Loading a state makes new ones, and so does
    /// [`SparseAdam::remap_rows`].
    ///
    /// # Errors
    /// [`Error::UnknownParam`], [`Error::OutOfMemory`], [`Error::DeviceLost`].
    pub fn moments(&mut self, param: ParamId) -> Result<Vec<RowWindow>, Error> {
        self.begin()?;
        self.state_windows(param, |state| &state.windows)
    }

    /// What the rows of a parameter have of their own on the GPU, window by window as [`SparseAdam::moments`], made
    /// as they are: u32 `[rows, fields]` for each window, of `exp_avg_sq`, `max_exp_avg_sq` (bits of f32), `row_counter`
    /// and `prev_iter`, in this order, those that the options have ([`ParamState`](crate::ParamState),
    /// [`RowState`](crate::RowState)). Empty where they have none.
    ///
    /// # Errors
    /// [`Error::UnknownParam`], [`Error::OutOfMemory`], [`Error::DeviceLost`].
    pub fn row_state(&mut self, param: ParamId) -> Result<Vec<RowWindow>, Error> {
        self.begin()?;
        let mut windows = self.state_windows(param, |state| &state.rows)?;
        if self.table(param)?.row_bytes.rows == 0 {
            windows.clear();
        }
        Ok(windows)
    }

    /// Windows of a parameter's state, which is made where there is none.
    fn state_windows(
        &mut self,
        param: ParamId,
        which: fn(&State) -> &Vec<Region>,
    ) -> Result<Vec<RowWindow>, Error> {
        let number = self.number_of(param)?;
        let table = &self.tables[number];
        if table.state.is_none() {
            let made = State::new(&self.recorder.guard, table)?;
            self.trust(&[]);
            self.tables[number].state = Some(made);
        }
        let mut windows = self.regions(param)?;
        let held = self.tables[number].state.iter().flat_map(which);
        for (window, region) in windows.iter_mut().zip(held) {
            window.region = region.clone();
        }
        Ok(windows)
    }
}
