//! A sparse gradient in GPU buffers.

use crate::entries::{Duplicates, Entries, IndexDtype, NonFinite, ValueSource};
use crate::{Format, Region};

/// A sparse gradient in coordinate form (COO), in buffers that the caller owns.
///
/// - `indices`: `[sparse_dim, nnz]`, in any order, repeats allowed (they are summed). An index
///   outside the table writes nothing and is counted in the status.
/// - `values`: `[nnz, dim]`, row-major, f32 unless [`SparseGrad::format`] says otherwise: one row per entry.
///
/// Both need `BufferUsages::STORAGE`. They are read by the GPU when the recorded step runs,
/// so they may be written by commands recorded before it.
#[derive(Clone, Debug)]
#[must_use = "a gradient does nothing before it is set on a parameter"]
pub struct SparseGrad {
    /// None where there are none.
    pub(crate) entries: Option<Entries>,
}

impl SparseGrad {
    /// A gradient of `nnz` entries with u32 indices.
    ///
    /// Nothing is checked until it is set on a parameter.
    pub fn new(indices: impl Into<Region>, values: impl Into<Region>, nnz: u32) -> Self {
        Self { entries: Some(Entries::new(indices.into(), values.into(), nnz)) }
    }

    /// A gradient of no entries, which needs no buffers: a step counts for its parameter, and
    /// writes nothing. The other settings have no meaning for it.
    pub fn empty() -> Self {
        Self { entries: None }
    }

    /// The rows of a dense gradient that `nnz` u32 `indices` name: `dense` is f32
    /// `[rows, dim]`, of the parameter's shape, and only named rows of it are read. A row named
    /// more than once counts once. For rows that a mask or a visibility test selects.
    pub fn of_rows(indices: impl Into<Region>, dense: impl Into<Region>, nnz: u32) -> Self {
        Self::new(indices, dense, nnz).with(|entries| entries.source = ValueSource::Row)
    }

    /// The format of the indices (default u32). A region of exactly twice the bytes that 32-bit
    /// indices need is refused: it looks like i64 indices whose format was not told.
    pub fn index_dtype(self, format: IndexDtype) -> Self {
        self.with(|entries| entries.format = format)
    }

    /// The format of the values (default [`Format::F32`]), also of a dense gradient. Of 16 bits, two lie in a word
    /// without padding between rows, and the region holds whole words of 4 bytes. They are summed in f32.
    pub fn format(self, format: Format) -> Self {
        self.with(|entries| entries.value_format = format)
    }

    /// Entry `e` takes its values from row `map[e]` of `values`, which has `rows` rows: the
    /// backward of an embedding bag, whose entries share their bag's row. `map` is u32 `[nnz]`
    /// and needs `BufferUsages::STORAGE`. An entry whose value row does not exist is refused
    /// and counted. `rows` is at least 1; where there are no bags, there are no entries: `nnz` is 0.
    pub fn value_map(self, map: impl Into<Region>, rows: u32) -> Self {
        self.with(|entries| entries.source = ValueSource::Map { map: map.into(), rows })
    }

    /// Entry `e` contributes `weights[e]` times its value row (per-sample weights; `1 / length`
    /// for the mean of a bag). `weights` is f32 `[nnz]` and needs `BufferUsages::STORAGE`.
    pub fn weights(self, weights: impl Into<Region>) -> Self {
        self.with(|entries| entries.weights = Some(weights.into()))
    }

    /// The number of entries is the u32 at the start of `count` when the step runs; `nnz`
    /// becomes the capacity of the buffers, and what lies past the count is ignored. A count above
    /// the capacity is taken for the capacity, and reported in
    /// [`Status::over_capacity`](crate::Status::over_capacity). Where the number of entries varies
    /// from step to step, this keeps the steps alike, so that nothing is made for them anew. Of a
    /// gradient without capacity (`nnz` 0), no count is read. The count's buffer needs
    /// `BufferUsages::COPY_SRC`; its offset must be a multiple of 4.
    pub fn count(self, count: impl Into<Region>) -> Self {
        self.with(|entries| entries.count = Some(count.into()))
    }

    /// Whether rows may be named more than once (default: they may).
    pub fn duplicates(self, duplicates: Duplicates) -> Self {
        self.with(|entries| entries.duplicates = duplicates)
    }

    /// Entries of row `row` are padding, and left out: that row gets no gradient, and is not
    /// touched (torch: `Embedding(padding_idx=row)`, whose row is in no sparse gradient). They are
    /// counted in [`Status::padding`](crate::Status::padding). With several sparse axes, `row` is
    /// the flattened one. Default: no row is padding.
    pub fn padding_idx(self, row: u32) -> Self {
        self.with(|entries| entries.padding_idx = Some(row))
    }

    /// What becomes of entries with values that are not finite (default: they are applied).
    /// Weights are not looked at.
    pub fn non_finite(self, non_finite: NonFinite) -> Self {
        self.with(|entries| entries.non_finite = non_finite)
    }

    fn with(mut self, change: impl FnOnce(&mut Entries)) -> Self {
        self.entries.as_mut().map(change);
        self
    }
}
