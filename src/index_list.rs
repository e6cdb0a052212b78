//! A gradient's index list by itself, and the values that parameters have for it.

use crate::entries::{Duplicates, Entries, IndexDtype, NonFinite, ValueSource};
use crate::{Format, Region};

/// The index list of a gradient that several parameters have values for: what
/// [`SparseAdam::set_grads`](crate::SparseAdam::set_grads) takes. The tensors of Gaussian splats are such
/// parameters, of which one list tells those that were visible; or the factors and biases of a model.
///
/// `indices` is as [`SparseGrad`](crate::SparseGrad)'s, and so is every setting, with the same requirements.
#[derive(Clone, Debug)]
#[must_use = "an index list does nothing before it is set with values"]
pub struct IndexList {
    /// The values are those of a parameter only once it has them.
    entries: Entries,
}

impl IndexList {
    /// A list of `nnz` entries with u32 indices.
    ///
    /// Nothing is checked until it is set.
    pub fn new(indices: impl Into<Region>, nnz: u32) -> Self {
        let indices = indices.into();
        Self { entries: Entries::new(indices.clone(), indices, nnz) }
    }

    /// The list names rows of dense gradients, each of its parameter's shape: as
    /// [`SparseGrad::of_rows`](crate::SparseGrad::of_rows).
    pub fn of_rows(indices: impl Into<Region>, nnz: u32) -> Self {
        Self::new(indices, nnz).with(|entries| entries.source = ValueSource::Row)
    }

    /// As [`SparseGrad::index_dtype`](crate::SparseGrad::index_dtype).
    pub fn index_dtype(self, format: IndexDtype) -> Self {
        self.with(|entries| entries.format = format)
    }

    /// As [`SparseGrad::value_map`](crate::SparseGrad::value_map), for the values of all parameters.
    pub fn value_map(self, map: impl Into<Region>, rows: u32) -> Self {
        self.with(|entries| entries.source = ValueSource::Map { map: map.into(), rows })
    }

    /// As [`SparseGrad::weights`](crate::SparseGrad::weights), for the values of all parameters.
    pub fn weights(self, weights: impl Into<Region>) -> Self {
        self.with(|entries| entries.weights = Some(weights.into()))
    }

    /// As [`SparseGrad::count`](crate::SparseGrad::count).
    pub fn count(self, count: impl Into<Region>) -> Self {
        self.with(|entries| entries.count = Some(count.into()))
    }

    /// As [`SparseGrad::duplicates`](crate::SparseGrad::duplicates).
    pub fn duplicates(self, duplicates: Duplicates) -> Self {
        self.with(|entries| entries.duplicates = duplicates)
    }

    /// As [`SparseGrad::padding_idx`](crate::SparseGrad::padding_idx).
    pub fn padding_idx(self, row: u32) -> Self {
        self.with(|entries| entries.padding_idx = Some(row))
    }

    /// As [`SparseGrad::non_finite`](crate::SparseGrad::non_finite), of each parameter's values by themselves. With
    /// [`NonFinite::Skipped`] parameters may leave out different entries, so each has its list taken in and
    /// sorted by itself, as if it had been set alone.
    pub fn non_finite(self, non_finite: NonFinite) -> Self {
        self.with(|entries| entries.non_finite = non_finite)
    }

    fn with(mut self, change: impl FnOnce(&mut Entries)) -> Self {
        change(&mut self.entries);
        self
    }

    /// The entries of a parameter that has these values. `list` is the number of this one.
    pub(crate) fn entries(&self, GradValues { region, format }: GradValues, list: u64) -> Entries {
        let list = (self.entries.non_finite != NonFinite::Skipped).then_some(list);
        Entries { values: region, value_format: format, list, ..self.entries.clone() }
    }
}

/// A parameter's values for an [`IndexList`]: row-major, a row per entry, `[nnz, dim]`; `[rows, dim]` where the
/// list has a value map of so many rows, or is one of [`IndexList::of_rows`]. The buffer needs
/// `BufferUsages::STORAGE`.
///
/// Made from whatever a [`Region`] is made from, of f32; for others with [`GradValues::format`].
#[derive(Clone, Debug)]
#[must_use = "values do nothing before they are set"]
pub struct GradValues {
    region: Region,
    format: Format,
}

impl GradValues {
    /// Values in f32.
    pub fn new(region: impl Into<Region>) -> Self {
        Self { region: region.into(), format: Format::default() }
    }

    /// As [`SparseGrad::format`](crate::SparseGrad::format). Parameters of one list may differ in it.
    pub fn format(self, format: Format) -> Self {
        Self { format, ..self }
    }
}

impl<R: Into<Region>> From<R> for GradValues {
    fn from(region: R) -> Self {
        Self::new(region)
    }
}
