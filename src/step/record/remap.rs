//! Recording what moves rows, or resets them.

use super::Recorder;
use crate::Error;
use crate::step::list::{Moving, Resetting, Second, remap, reset};

impl Recorder {
    /// Lists what moves the rows of tables, in the place of a step.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub fn prepare_remap<'a>(
        &mut self,
        tables: impl Iterator<Item = Moving<'a>>,
    ) -> Result<(), Error> {
        self.listed = None;
        remap(tables, (self.shape, self.kit.tuning()), &mut self.list)
    }

    /// Lists what resets the first `count` of `nnz` listed rows, in the place of a step.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub fn prepare_reset<'a>(
        &mut self,
        tables: impl Iterator<Item = Resetting<'a>>,
        nnz: u32,
        count: Second,
    ) -> Result<(), Error> {
        self.listed = None;
        reset(tables, (nnz, count), (self.shape, self.kit.tuning()), &mut self.list)
    }
}
