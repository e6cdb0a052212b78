//! What callers say of rows by their numbers: where new ones come from, and which are named.

use crate::entries::copied_word;
use crate::step::shape::DeviceShape;
use crate::{Error, Region};

/// What becomes of a parameter's own rows where its table is remapped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ParamRows {
    /// They are copied with their state. A row that comes from no old one stays as the caller has it in the new region.
    #[default]
    Copied,
    /// The caller writes them all: the new region is not touched.
    Left,
}

/// Where the rows of a new table come from: what [`SparseAdam::remap_rows`](crate::SparseAdam::remap_rows) takes.
///
/// Growing a table is a map `0, 1, .., n - 1, NONE, ..`; pruning and compacting leave rows out; a permutation moves them; a
/// row that is named twice becomes two.
#[derive(Clone, Debug)]
#[must_use = "a map does nothing before tables are remapped by it"]
pub struct RowMap {
    pub(crate) from: Region,
    pub(crate) rows: u32,
    pub(crate) param_rows: ParamRows,
}

impl RowMap {
    /// Stands for no old row: the new row has the state of one that no step has named, zero.
    pub const NONE: u32 = u32::MAX;

    /// A table of `rows` rows, of which row `i` comes from the old row `from[i]`: u32 `[rows]` in a buffer with usage
    /// `STORAGE`, which may have been written by the GPU alone.
    ///
    /// A number that is no row of the old table counts as [`RowMap::NONE`], and in
    /// [`Status::bad_map_row`](crate::Status::bad_map_row). Nothing is checked until tables are remapped.
    pub fn new(from: impl Into<Region>, rows: u32) -> Self {
        Self { from: from.into(), rows, param_rows: ParamRows::default() }
    }

    /// What becomes of the parameters' own rows (default [`ParamRows::Copied`]).
    pub fn param_rows(self, param_rows: ParamRows) -> Self {
        Self { param_rows, ..self }
    }

    /// With its region cut to its rows.
    pub(crate) fn check(self, device: DeviceShape) -> Result<Self, Error> {
        let bytes = 4 * u64::from(self.rows);
        let from = self.from.storage(&"the map of rows", bytes, device.alignment)?;
        Ok(Self { from, ..self })
    }
}

/// Rows of tables, by their numbers: what [`SparseAdam::reset_rows`](crate::SparseAdam::reset_rows) takes.
#[derive(Clone, Debug)]
#[must_use = "a list of rows does nothing before it is given to an optimizer"]
pub struct RowList {
    pub(crate) rows: Region,
    pub(crate) nnz: u32,
    pub(crate) count: Option<Region>,
}

impl RowList {
    /// `nnz` rows: u32 `[nnz]` in a buffer with usage `STORAGE`. A row may be named more than once.
    ///
    /// A number that is no row of a table is left out, and counted in
    /// [`Status::out_of_range`](crate::Status::out_of_range). Nothing is checked until the list is used.
    pub fn new(rows: impl Into<Region>, nnz: u32) -> Self {
        Self { rows: rows.into(), nnz, count: None }
    }

    /// Only the first so many rows are meant: a u32 at a multiple of 4 in a buffer with usage `COPY_SRC`, read when the
    /// GPU comes to it. More than `nnz` counts in [`Status::over_capacity`](crate::Status::over_capacity).
    pub fn count(self, count: impl Into<Region>) -> Self {
        Self { count: Some(count.into()), ..self }
    }

    /// With its regions cut to what they hold.
    pub(crate) fn check(self, device: DeviceShape) -> Result<Self, Error> {
        let (what, bytes, limit) =
            ("the list of rows", 4 * u64::from(self.nnz), device.max_binding);
        if bytes > limit {
            let remedy = "name fewer rows at once";
            let what = format!("bytes of {what}");
            return Err(Error::TooLarge { what, found: bytes, limit, remedy });
        }
        let rows = self.rows.storage(&what, bytes, device.alignment)?;
        let count = |count: Region| copied_word(&count, &"the count of the list of rows");
        Ok(Self { rows, count: self.count.map(count).transpose()?, ..self })
    }
}
