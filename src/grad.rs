//! A sparse gradient in GPU buffers.

use crate::format::RowBytes;
use crate::param::Geometry;
use crate::region::check_disjoint;
use crate::step::shape::{DeviceShape, rows_per_window};
use crate::{Error, Region};
use std::fmt::Display;
use wgpu::BufferUsages;

/// How indices lie in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IndexDtype {
    /// Unsigned, 4 bytes.
    #[default]
    U32,
    /// Signed, 4 bytes; a negative index is out of range.
    I32,
    /// Signed, 8 bytes, little-endian, as torch keeps them.
    I64,
}

impl IndexDtype {
    pub(crate) fn bytes(self) -> u64 {
        if self == Self::I64 { 8 } else { 4 }
    }
}

/// Whether a gradient may name a row more than once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Duplicates {
    /// It may: the entries of a row are summed.
    #[default]
    Summed,
    /// The caller promises that it does not, which saves GPUs the sort. If the promise is broken,
    /// the row gets one of its updates or a mixture of several, which one is not defined; no
    /// other row is touched.
    None,
    /// The promise is made but checked: entries of a row named before are summed and counted in
    /// [`Status::repeated`](crate::Status::repeated). As fast as [`Duplicates::Summed`].
    NoneChecked,
}

/// What becomes of entries whose value row holds an infinity or a NaN.
///
/// What is looked at is each entry by itself. Finite entries of one row may have a sum that is not
/// finite, and finite values a product with a weight: both are applied, as torch does, and counted
/// nowhere. Clip what goes in where that can be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NonFinite {
    /// They are applied, as torch does.
    #[default]
    Applied,
    /// They are applied, and counted in [`Status::non_finite`](crate::Status::non_finite).
    Counted,
    /// They are left out as if they were not there, and counted.
    Skipped,
}

/// Where an entry's values are.
#[derive(Clone, Debug)]
pub(crate) enum ValueSource {
    /// Row `entry`.
    Entry,
    /// Row `map[entry]` of `rows`.
    Map { map: Region, rows: u32 },
    /// The row that the entry names.
    Row,
}

/// A sparse gradient in coordinate form (COO), in buffers that the caller owns.
///
/// - `indices`: `[sparse_dim, nnz]`, in any order, repeats allowed (they are summed). An index
///   outside the table writes nothing and is counted in the status.
/// - `values`: f32 `[nnz, dim]`, row-major: one row an entry.
///
/// Both need `BufferUsages::STORAGE`. They are read by the GPU when the recorded step runs,
/// so they may be written by commands recorded before it.
#[derive(Clone, Debug)]
pub struct SparseGrad {
    pub(crate) indices: Region,
    pub(crate) values: Region,
    pub(crate) nnz: u32,
    pub(crate) format: IndexDtype,
    pub(crate) source: ValueSource,
    pub(crate) weights: Option<Region>,
    pub(crate) count: Option<Region>,
    pub(crate) duplicates: Duplicates,
    pub(crate) non_finite: NonFinite,
    pub(crate) padding_idx: Option<u32>,
}

impl SparseGrad {
    /// A gradient of `nnz` entries with u32 indices.
    ///
    /// Nothing is checked until it is set on a parameter.
    pub fn new(indices: impl Into<Region>, values: impl Into<Region>, nnz: u32) -> Self {
        Self {
            indices: indices.into(),
            values: values.into(),
            nnz,
            format: IndexDtype::default(),
            source: ValueSource::Entry,
            weights: None,
            count: None,
            duplicates: Duplicates::default(),
            non_finite: NonFinite::default(),
            padding_idx: None,
        }
    }

    /// The rows of a dense gradient that `nnz` u32 `indices` name: `dense` is f32
    /// `[rows, dim]`, of the parameter's shape, and only named rows of it are read. A row named
    /// more than once counts once. For rows that a mask or a visibility test selects.
    pub fn of_rows(indices: impl Into<Region>, dense: impl Into<Region>, nnz: u32) -> Self {
        Self { source: ValueSource::Row, ..Self::new(indices, dense, nnz) }
    }

    /// The format of the indices (default u32). A region of exactly twice the bytes that 32-bit
    /// indices need is refused: it looks like i64 indices whose format was not told.
    pub fn index_dtype(mut self, format: IndexDtype) -> Self {
        self.format = format;
        self
    }

    /// Entry `e` takes its values from row `map[e]` of `values`, which has `rows` rows: the
    /// backward of an embedding bag, whose entries share their bag's row. `map` is u32 `[nnz]`
    /// and needs `BufferUsages::STORAGE`. An entry whose value row does not exist is refused
    /// and counted. `rows` is at least 1; where there are no bags, there are no entries: `nnz` is 0.
    pub fn value_map(mut self, map: impl Into<Region>, rows: u32) -> Self {
        self.source = ValueSource::Map { map: map.into(), rows };
        self
    }

    /// Entry `e` contributes `weights[e]` times its value row (per-sample weights; `1 / length`
    /// for the mean of a bag). `weights` is f32 `[nnz]` and needs `BufferUsages::STORAGE`.
    pub fn weights(mut self, weights: impl Into<Region>) -> Self {
        self.weights = Some(weights.into());
        self
    }

    /// The number of entries is the u32 at the start of `count` when the step runs; `nnz`
    /// becomes the capacity of the buffers, and what lies past the count is ignored. A count above
    /// the capacity is taken for the capacity, and reported in
    /// [`Status::over_capacity`](crate::Status::over_capacity). Where the number of entries varies
    /// from step to step, this keeps the steps alike, so that nothing is made for them anew. Of a
    /// gradient without capacity (`nnz` 0), no count is read. The count's buffer needs
    /// `BufferUsages::COPY_SRC`; its offset must be a multiple of 4.
    pub fn count(mut self, count: impl Into<Region>) -> Self {
        self.count = Some(count.into());
        self
    }

    /// Whether rows may be named more than once (default: they may).
    pub fn duplicates(mut self, duplicates: Duplicates) -> Self {
        self.duplicates = duplicates;
        self
    }

    /// Entries of row `row` are padding, and left out: that row gets no gradient, and is not
    /// touched (torch: `Embedding(padding_idx=row)`, whose row is in no sparse gradient). They are
    /// counted in [`Status::padding`](crate::Status::padding). With several sparse axes, `row` is
    /// the flattened one. Default: no row is padding.
    pub fn padding_idx(mut self, row: u32) -> Self {
        self.padding_idx = Some(row);
        self
    }

    /// What becomes of entries with values that are not finite (default: they are applied).
    /// Weights are not looked at.
    pub fn non_finite(mut self, non_finite: NonFinite) -> Self {
        self.non_finite = non_finite;
        self
    }

    /// Rows that `values` holds.
    pub(crate) fn value_rows(&self, table: Geometry) -> u32 {
        match self.source {
            ValueSource::Entry => self.nnz,
            ValueSource::Map { rows, .. } => rows,
            ValueSource::Row => table.rows,
        }
    }

    /// Whether its index list is the common one: 32 bits, one axis, a value row an entry.
    pub(crate) fn is_plain(&self, table: Geometry) -> bool {
        // As u32, a negative index must be out of range.
        let fits = match self.format {
            IndexDtype::U32 => true,
            IndexDtype::I32 => table.rows <= 1 << 31,
            IndexDtype::I64 => false,
        };
        fits && table.sparse_dim == 1 && matches!(self.source, ValueSource::Entry)
    }

    /// Whether it is read where it is, entry by entry, with nothing else of its kind.
    pub(crate) fn stands_alone(&self) -> bool {
        matches!(self.source, ValueSource::Row) || self.duplicates != Duplicates::Summed
    }

    /// Checks every region, and cuts it to what the entries occupy.
    pub(crate) fn check(
        mut self,
        name: &str,
        (table, row_bytes): (Geometry, RowBytes),
        device: DeviceShape,
    ) -> Result<Self, Error> {
        if self.nnz == 0 {
            return Ok(self);
        }
        let entries = u64::from(self.nnz);
        let cut = |region: &Region, role: Role<'_>, bytes: u64| {
            let limit = device.max_binding;
            if bytes > limit {
                return Err(too_large(&role, bytes, limit));
            }
            region.storage(&role, bytes, device.alignment)
        };
        let role = |role| Role { role, name };
        let index_bytes = entries * u64::from(table.sparse_dim) * self.format.bytes();
        self.check_format(&role("indices"), index_bytes)?;
        self.indices = cut(&self.indices, role("indices"), index_bytes)?;
        check_padding(self.padding_idx, &role("padding_idx"), table)?;
        if let ValueSource::Map { map, rows } = &self.source {
            let map = cut(map, role("value map"), 4 * entries)?;
            self.source = ValueSource::Map { map, rows: *rows };
        }
        if let Some(weights) = &self.weights {
            if matches!(self.source, ValueSource::Row) {
                return Err(Error::Unsupported {
                    what: "weights on the rows of a dense gradient",
                    remedy: "scale the dense gradient",
                });
            }
            self.weights = Some(cut(weights, role("weights"), 4 * entries)?);
        }
        if let Some(count) = &self.count {
            self.count = Some(check_count(count, &role("count"))?);
        }
        let value_rows = self.value_rows(table);
        if value_rows == 0 {
            let what = role("values").to_string();
            let expected = "a value row at least, where there are entries (without any, nnz is 0)";
            return Err(Error::InvalidShape { what, expected, found: vec![0, table.dim] });
        }
        let value_bytes = u64::from(value_rows) * row_bytes.values;
        check_value_bytes(&role("values"), value_rows, row_bytes.values, device)?;
        self.values = self.values.storage(&role("values"), value_bytes, device.alignment)?;
        check_disjoint(name, self.roles())?;
        Ok(self)
    }

    /// i64 indices that are read as 32-bit ones name row 0 every other time, and nothing is out of
    /// range: only their size gives them away.
    fn check_format(&self, role: &Role<'_>, bytes: u64) -> Result<(), Error> {
        let found = self.indices.size();
        if self.format == IndexDtype::I64 || found != 2 * bytes {
            return Ok(());
        }
        Err(Error::MaybeI64 { what: role.to_string(), expected: bytes, found })
    }

    /// The regions that the GPU reads, each with its role.
    pub(crate) fn roles(&self) -> impl Iterator<Item = (&str, &Region)> + Clone {
        let map = match &self.source {
            ValueSource::Map { map, .. } => Some(map),
            _ => None,
        };
        let roles = [
            ("indices", Some(&self.indices)),
            ("values", Some(&self.values)),
            ("value map", map),
            ("weights", self.weights.as_ref()),
        ];
        roles.into_iter().filter_map(|(role, region)| Some((role, region?)))
    }

    /// All regions that the caller gave, each with its role.
    pub(crate) fn given(&self) -> impl Iterator<Item = (&str, &Region)> + Clone {
        self.roles().chain(self.count.iter().map(|count| ("count", count)))
    }

    /// The regions that the GPU reads.
    pub(crate) fn regions(&self) -> impl Iterator<Item = &Region> {
        self.roles().map(|(_, region)| region)
    }
}

/// A region's role, put into words only for an error.
struct Role<'a> {
    role: &'static str,
    name: &'a str,
}

impl Display for Role<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} of {:?}", self.role, self.name)
    }
}

fn check_padding(row: Option<u32>, what: &dyn Display, table: Geometry) -> Result<(), Error> {
    let limit = table.rows - 1;
    match row {
        Some(row) if row > limit => Err(Error::TooLarge {
            what: what.to_string(),
            found: row.into(),
            limit: limit.into(),
            remedy: "name a row of the table",
        }),
        _ => Ok(()),
    }
}

/// A count must lie where it can be copied from.
fn check_count(count: &Region, what: &dyn Display) -> Result<Region, Error> {
    let what = || what.to_string();
    let (expected, found) = (BufferUsages::COPY_SRC, count.buffer().usage());
    if !found.contains(expected) {
        return Err(Error::MissingUsage { what: what(), expected, found });
    }
    if count.size() < 4 {
        return Err(Error::BufferTooSmall { what: what(), expected: 4, found: count.size() });
    }
    if !count.offset().is_multiple_of(4) {
        return Err(Error::Misaligned { what: what(), expected: 4, found: count.offset() });
    }
    Ok(count.part(0, 4))
}

/// Values may span as many bindings as the device has to spare.
pub(crate) fn check_value_bytes(
    what: &dyn Display,
    rows: u32,
    row_bytes: u64,
    device: DeviceShape,
) -> Result<(), Error> {
    let per_window = rows_per_window(rows, row_bytes, row_bytes, device);
    if u64::from(rows) <= u64::from(per_window) * device.value_windows as u64 {
        return Ok(());
    }
    let limit = device.max_binding * device.value_windows as u64;
    Err(too_large(what, u64::from(rows) * row_bytes, limit))
}

fn too_large(what: &dyn Display, found: u64, limit: u64) -> Error {
    let remedy = "spread the entries over several steps, or request a larger \
                  max_storage_buffer_binding_size or max_storage_buffers_per_shader_stage = 8";
    Error::TooLarge { what: format!("bytes of {what}"), found, limit, remedy }
}
