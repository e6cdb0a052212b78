//! Numbers of the caller's, by which rows draw random bits.

use crate::entries::copied_words;
use crate::places::overlap;
use crate::{CatchUp, Error, ParamId, Region, Rounding, SparseAdam};

impl SparseAdam {
    /// Has the rows of a parameter draw random bits ([`Rounding::Stochastic`](crate::Rounding::Stochastic)) by numbers of
    /// the caller's, u32 `[rows]`, in place of their place in the parameter. So a parameter that has some rows of a larger
    /// table, in any order (a cache, a shard), rounds them as that table would: row `i` here as row `numbers[i]` there.
    /// Where nothing is drawn they have no effect.
    ///
    /// Each step reads them when it runs, so they may change between steps, on the GPU too. Rows of one number round alike.
    /// A step copies all of them into scratch, 4 bytes per row of the parameter; the buffer needs usage `COPY_SRC`. They are no
    /// part of a state: who loads one sets them as before.
    ///
    /// # Errors
    /// [`Error::UnknownParam`]; [`Error::BufferTooSmall`], [`Error::MissingUsage`], [`Error::Misaligned`] (to 4 bytes);
    /// [`Error::Unsupported`] for a parameter that catches up and rounds by random bits; [`Error::Overlap`] with a parameter; [`Error::InvalidBuffer`] for a buffer that belongs to another device, or was
    /// destroyed and has usage `STORAGE` (of others only the submit tells); [`Error::DeviceLost`]. A step, too, returns
    /// [`Error::TooLarge`] where they do not fit into a binding of the scratch.
    pub fn set_row_numbers(
        &mut self,
        param: ParamId,
        numbers: impl Into<Region>,
    ) -> Result<(), Error> {
        self.begin()?;
        let number = self.number_of(param)?;
        let table = &self.tables[number];
        let catches_up = self.groups[table.group].options.catch_up != CatchUp::Never;
        // A flush draws by the row's place.
        if catches_up && table.storage.rounding != Rounding::Nearest {
            return Err(Error::Unsupported {
                what: "row numbers of a parameter that catches up and rounds by random bits",
                remedy: "let it round to the nearest, or not catch up",
            });
        }
        let role = "row numbers";
        let what = format!("{role} of {:?}", table.name);
        let numbers = copied_words(&numbers.into(), &what, 4 * u64::from(table.geometry.rows))?;
        if let Some(owner) = self.places.owners(&numbers).next() {
            return Err(overlap(("parameter", &self.tables[owner].name), (role, &table.name)));
        }
        self.recorder.check_copied(&what, &numbers)?;
        let given = [(table.name.as_str(), role, &numbers)].into_iter();
        self.recorder.witness.check(&self.recorder.guard, given)?;
        self.tables[number].numbers = Some(numbers);
        Ok(())
    }

    /// The numbers by which the rows of a parameter draw, where they do not by their place.
    ///
    /// # Errors
    /// [`Error::UnknownParam`].
    pub fn row_numbers(&self, param: ParamId) -> Result<Option<Region>, Error> {
        Ok(self.table(param)?.numbers.clone())
    }

    /// Has the rows of a parameter draw random bits by their place in it again.
    ///
    /// # Errors
    /// [`Error::UnknownParam`], [`Error::DeviceLost`].
    pub fn clear_row_numbers(&mut self, param: ParamId) -> Result<(), Error> {
        self.begin()?;
        let number = self.number_of(param)?;
        self.tables[number].numbers = None;
        Ok(())
    }
}
