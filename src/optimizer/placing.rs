//! Where parameters are: nothing else may have their bytes, and they may move.

use crate::entries::Entries;
use crate::places::overlap;
use crate::{Error, ParamId, Region, SparseAdam};

impl SparseAdam {
    /// Exchanges a parameter's buffer for another of the same shape, as engines do that move
    /// their tensors; its state, group and gradients stay. What was recorded before still writes
    /// to the old one.
    ///
    /// # Errors
    /// [`Error::UnknownParam`]; those of [`SparseAdam::add_param`] for a region;
    /// [`Error::Unsupported`] for a parameter of several parts.
    pub fn replace_param(
        &mut self,
        param: ParamId,
        region: impl Into<Region>,
    ) -> Result<(), Error> {
        self.begin()?;
        let shape = self.recorder.shape;
        let number = self.number_of(param)?;
        let table = &self.tables[number];
        let moved = table.moved_to(region.into(), shape)?;
        let regions = moved.iter().map(|window| &window.region);
        if regions.clone().eq(table.regions()) {
            return Ok(());
        }
        self.check_place(regions.clone(), ("new place", &table.name), Some(number))?;
        let name = self.tables[number].name.as_str();
        let placed = regions.map(|region| (name, "new place", region));
        self.recorder.witness.check(&self.recorder.guard, placed)?;
        let table = &mut self.tables[number];
        for window in std::mem::replace(&mut table.windows, moved) {
            self.places.give_back(window.region.buffer(), number);
        }
        table.regions().for_each(|region| self.places.take(region, number));
        Ok(())
    }

    /// Checks that no parameter but `own`, and no gradient, has bytes of the regions of `what`.
    pub(crate) fn check_place<'a>(
        &self,
        regions: impl Iterator<Item = &'a Region> + Clone,
        what: (&str, &str),
        own: Option<usize>,
    ) -> Result<(), Error> {
        let mut owners = regions.clone().flat_map(|region| self.places.owners(region));
        if let Some(owner) = owners.find(|&owner| Some(owner) != own) {
            return Err(overlap(("parameter", &self.tables[owner].name), what));
        }
        for table in &self.tables {
            let mut read = table.grads.iter().flat_map(Entries::regions);
            if read.any(|read| regions.clone().any(|region| region.overlaps(read))) {
                return Err(overlap(("gradient", &table.name), what));
            }
        }
        Ok(())
    }
}
