//! Gradients of parameters, checked and exchanged.

use crate::entries::Entries;
use crate::places::overlap;
use crate::table::Table;
use crate::{Error, GradValues, IndexList, ParamId, SparseAdam, SparseGrad};

impl SparseAdam {
    /// Forgets all gradients: the next step skips the parameters and does not count for them
    /// (torch: `zero_grad()`, which is `zero_grad(set_to_none=True)`).
    pub fn clear_grads(&mut self) {
        self.zero_grads();
        for table in &mut self.tables {
            table.has_grad = false;
        }
    }

    /// Gives every parameter that has a gradient an empty one instead: the next step counts for it,
    /// and writes nothing (torch: `zero_grad(set_to_none=False)`).
    pub fn zero_grads(&mut self) {
        for table in &mut self.tables {
            table.grads.clear();
        }
    }

    /// [`SparseAdam::clear_grads`] with `set_to_none`, else [`SparseAdam::zero_grads`]: torch's name.
    pub fn zero_grad(&mut self, set_to_none: bool) {
        if set_to_none { self.clear_grads() } else { self.zero_grads() }
    }

    /// Sets the gradients of several parameters that have one index list, each with its values. The
    /// parameters and their statuses become what [`SparseAdam::set_grad`] for each would make them, bit for bit, but
    /// a step takes the list in, and sorts it, once for all of them that still have it: until one of them is
    /// given another gradient, or more by [`SparseAdam::accumulate_grad`], it takes part.
    ///
    /// The parameters have the same number of rows, and the same sparse axes; all else may differ, row lengths,
    /// formats, groups and rules. Without parameters, nothing is done.
    ///
    /// # Errors
    /// As [`SparseAdam::set_grad`], for any of the parameters; [`Error::InvalidShape`] where one's sparse axes are
    /// not those of the first; [`Error::Unsupported`] where one is named twice. Then none of them has another
    /// gradient than before.
    pub fn set_grads<V: Into<GradValues>>(
        &mut self,
        indices: IndexList,
        values: impl IntoIterator<Item = (ParamId, V)>,
    ) -> Result<(), Error> {
        let list = self.lists;
        let mut checked: Vec<(usize, Option<Entries>)> = Vec::new();
        for (param, values) in values {
            let number = self.number_of(param)?;
            if checked.iter().any(|&(earlier, _)| earlier == number) {
                return Err(Error::Unsupported {
                    what: "naming a parameter twice for one index list",
                    remedy: "name it once, and add the other values by accumulate_grad",
                });
            }
            if let Some(&(first, _)) = checked.first() {
                self.check_axes(first, number)?;
            }
            let entries = indices.entries(values.into(), list);
            checked.push((number, self.checked_entries(param, entries)?));
        }
        self.lists += 1;
        for (number, entries) in checked {
            self.set_entries(number, entries);
        }
        Ok(())
    }

    /// Checks that the rows of a parameter are named as those of another.
    fn check_axes(&self, first: usize, number: usize) -> Result<(), Error> {
        let (first, table) = (&self.tables[first], &self.tables[number]);
        let axes = |of: &Table| (of.geometry.rows, of.geometry.sparse_dim, of.geometry.axes);
        if axes(first) == axes(table) {
            return Ok(());
        }
        let what =
            format!("{:?}, which is to share the index list of {:?}", table.name, first.name);
        let expected = "the same rows and sparse axes as that parameter";
        Err(Error::InvalidShape { what, expected, found: table.shape.clone() })
    }

    /// Checks a gradient of a parameter, and cuts its regions to what its entries occupy. None where
    /// it has none.
    ///
    /// # Errors
    /// Those of [`SparseAdam::set_grad`].
    pub(crate) fn checked_grad(
        &mut self,
        param: ParamId,
        grad: SparseGrad,
    ) -> Result<Option<Entries>, Error> {
        match grad.entries {
            Some(entries) => self.checked_entries(param, entries),
            None => {
                self.begin()?;
                self.table(param).map(|_| None)
            }
        }
    }

    fn checked_entries(
        &mut self,
        param: ParamId,
        entries: Entries,
    ) -> Result<Option<Entries>, Error> {
        self.begin()?;
        let table = self.table(param)?;
        let entries = entries.check(&table.name, table.geometry, self.recorder.shape)?;
        let Some(entries) = entries else { return Ok(None) };
        for (role, region) in entries.roles() {
            if let Some(owner) = self.places.owners(region).next() {
                let owner = &self.tables[owner].name;
                return Err(overlap(("parameter", owner), (role, &table.name)));
            }
        }
        let name = self.tables[self.number_of(param)?].name.as_str();
        self.recorder.check_buffers(name, &entries)?;
        Ok(Some(entries))
    }

    /// Gives a table one gradient of checked entries, or an empty one.
    pub(crate) fn set_entries(&mut self, number: usize, entries: Option<Entries>) {
        let mut grads = std::mem::take(&mut self.spare_grads);
        grads.extend(entries);
        self.exchange_grads(number, grads);
    }

    /// Gives a table other gradients.
    pub(crate) fn exchange_grads(&mut self, number: usize, grads: Vec<Entries>) {
        let table = &mut self.tables[number];
        let mut old = std::mem::replace(&mut table.grads, grads);
        table.has_grad = true;
        old.clear();
        self.spare_grads = old;
    }
}
