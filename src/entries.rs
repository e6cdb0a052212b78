//! The entries of a gradient: what a caller gave, and its checks.

use crate::param::Geometry;
use crate::region::{check_disjoint, in_words};
use crate::step::shape::{DeviceShape, rows_per_window};
use crate::{Error, Format, Region};
use std::fmt::Display;
use wgpu::BufferUsages;

/// How indices lie in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
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
#[non_exhaustive]
pub enum Duplicates {
    /// It may: the entries of a row are summed.
    #[default]
    Summed,
    /// The caller promises that it does not, which saves GPUs the sort. If the promise is broken,
    /// the row gets one of its updates or a mixture of several, which one is not defined (of a parameter in 16 bits,
    /// anything); no other row is touched.
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
#[non_exhaustive]
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

/// Entries of a gradient. Those that an optimizer holds are checked, and at least one.
#[derive(Clone, Debug)]
pub(crate) struct Entries {
    pub indices: Region,
    pub values: Region,
    pub nnz: u32,
    pub format: IndexDtype,
    /// How its values are stored.
    pub value_format: Format,
    pub source: ValueSource,
    pub weights: Option<Region>,
    pub count: Option<Region>,
    pub duplicates: Duplicates,
    pub non_finite: NonFinite,
    pub padding_idx: Option<u32>,
    /// Which index list of the optimizer they are of, where tables may have one together.
    pub list: Option<u64>,
}

impl Entries {
    /// As [`SparseGrad::new`](crate::SparseGrad::new).
    pub fn new(indices: Region, values: Region, nnz: u32) -> Self {
        Self {
            indices,
            values,
            nnz,
            format: IndexDtype::default(),
            value_format: Format::default(),
            source: ValueSource::Entry,
            weights: None,
            count: None,
            duplicates: Duplicates::default(),
            non_finite: NonFinite::default(),
            padding_idx: None,
            list: None,
        }
    }

    /// Rows that `values` holds.
    pub fn value_rows(&self, table: Geometry) -> u32 {
        match self.source {
            ValueSource::Entry => self.nnz,
            ValueSource::Map { rows, .. } => rows,
            ValueSource::Row => table.rows,
        }
    }

    /// Whether its index list is the common one: 32 bits, one axis, a value row per entry.
    pub fn is_plain(&self, table: Geometry) -> bool {
        // As u32, a negative index must be out of range.
        let fits = match self.format {
            IndexDtype::U32 => true,
            IndexDtype::I32 => table.rows <= 1 << 31,
            IndexDtype::I64 => false,
        };
        fits && table.sparse_dim == 1 && matches!(self.source, ValueSource::Entry)
    }

    /// Whether it is read where it is, entry by entry, with nothing else of its kind.
    pub fn stands_alone(&self) -> bool {
        matches!(self.source, ValueSource::Row) || self.duplicates != Duplicates::Summed
    }

    /// Checks every region, and cuts it to what the entries occupy. None where there are none.
    pub fn check(
        mut self,
        name: &str,
        table: Geometry,
        device: DeviceShape,
    ) -> Result<Option<Self>, Error> {
        if self.nnz == 0 {
            return Ok(None);
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
            self.count = Some(copied_word(count, &role("count"))?);
        }
        let value_rows = self.value_rows(table);
        if value_rows == 0 {
            let what = role("values").to_string();
            let expected = "a value row at least, where there are entries (without any, nnz is 0)";
            return Err(Error::InvalidShape { what, expected, found: vec![0, table.dim] });
        }
        let row_bytes = self.value_format.bytes(table.dim.into());
        let value_bytes = in_words(u64::from(value_rows) * row_bytes);
        check_value_bytes(&role("values"), value_rows, row_bytes, device)?;
        self.values = self.values.storage(&role("values"), value_bytes, device.alignment)?;
        check_disjoint(name, self.roles())?;
        Ok(Some(self))
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
    pub fn roles(&self) -> impl Iterator<Item = (&str, &Region)> + Clone {
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
    pub fn given(&self) -> impl Iterator<Item = (&str, &Region)> + Clone {
        self.roles().chain(self.count.iter().map(|count| ("count", count)))
    }

    /// The regions that the GPU reads.
    pub fn regions(&self) -> impl Iterator<Item = &Region> {
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

/// A word that is copied must lie where it can be copied from.
pub(crate) fn copied_word(count: &Region, what: &dyn Display) -> Result<Region, Error> {
    copied_words(count, what, 4)
}

/// The first `bytes` of a region that the caller gives to be copied from.
pub(crate) fn copied_words(
    count: &Region,
    what: &dyn Display,
    bytes: u64,
) -> Result<Region, Error> {
    count.check_inside(what)?;
    let what = || what.to_string();
    let (expected, found) = (BufferUsages::COPY_SRC, count.buffer().usage());
    if !found.contains(expected) {
        return Err(Error::MissingUsage { what: what(), expected, found });
    }
    if count.size() < bytes {
        return Err(Error::BufferTooSmall { what: what(), expected: bytes, found: count.size() });
    }
    if !count.offset().is_multiple_of(4) {
        return Err(Error::Misaligned { what: what(), expected: 4, found: count.offset() });
    }
    Ok(count.part(0, bytes))
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
