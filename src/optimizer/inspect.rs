//! What an optimizer knows of its parameters, for whoever streams, draws, shards or checks them.

use crate::table::State;
use crate::{Error, ParamId, Region, SparseAdam};

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
        let optimizer = self.number;
        (0..self.tables.len()).map(move |index| ParamId { optimizer, index })
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
    /// amsgrad `[rows, 3, dim]`, `max_exp_avg_sq` the third. Moments in bf16 are u32 `[rows, dim]`: `exp_avg` in the
    /// low half of a word, `exp_avg_sq` in the high half.
    /// Windows are those of [`SparseAdam::regions`]. Where there are no moments yet, they are made
    /// now, zero, at step 0.
    ///
    /// The buffers are the library's own, with usages `STORAGE`, `COPY_SRC` and `COPY_DST`. What is
    /// written to them counts for every step submitted later: a second moment below zero makes NaN of
    /// its parameter. Loading a state makes new ones.
    ///
    /// # Errors
    /// [`Error::UnknownParam`], [`Error::OutOfMemory`], [`Error::DeviceLost`].
    pub fn moments(&mut self, param: ParamId) -> Result<Vec<RowWindow>, Error> {
        self.begin()?;
        let table = self.table(param)?;
        if table.state.is_none() {
            let made = State::new(&self.recorder.guard, table)?;
            self.trust(&[]);
            self.tables[param.index].state = Some(made);
        }
        let mut windows = self.regions(param)?;
        let state = self.tables[param.index].state.iter();
        let moments = state.flat_map(|state| &state.windows);
        for (window, moments) in windows.iter_mut().zip(moments) {
            window.region = Region::from(moments);
        }
        Ok(windows)
    }
}
