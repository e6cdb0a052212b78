//! A parameter: a dense table in a GPU buffer.

use crate::format::Storage;
use crate::step::budget::MOST_COLUMNS;
use crate::{Error, Format, Region, Rounding};

/// A dense parameter in a buffer that the caller owns: f32, unless [`Param::format`] says otherwise.
///
/// Its shape is `[rows, ...]`: the first axis is the sparse one (or the first few, see
/// [`Param::sparse_dim`]), the others are flattened into `dim` values per row, row-major without
/// padding. A vector `[rows]` has `dim = 1`. The buffer needs `BufferUsages::STORAGE`;
/// reading it back also needs `COPY_SRC`.
#[derive(Clone, Debug)]
#[must_use = "a parameter does nothing before it is added to an optimizer"]
pub struct Param {
    pub(crate) name: String,
    place: ParamPlace,
    pub(crate) shape: Vec<u32>,
    pub(crate) sparse_dim: usize,
    pub(crate) storage: Storage,
}

impl Param {
    /// A parameter named `name` of `shape`, in `region`, with one sparse axis.
    ///
    /// Nothing is checked until it is added to an optimizer.
    pub fn new(
        name: impl Into<String>,
        region: impl Into<Region>,
        shape: impl AsRef<[u32]>,
    ) -> Self {
        Self::at(name.into(), ParamPlace::new(region), shape.as_ref())
    }

    /// A parameter whose rows lie in several regions, in order: each with its number of rows.
    pub fn in_parts(
        name: impl Into<String>,
        parts: impl IntoIterator<Item = (Region, u32)>,
        shape: impl AsRef<[u32]>,
    ) -> Self {
        Self::at(name.into(), ParamPlace::in_parts(parts), shape.as_ref())
    }

    /// A parameter in `place`, with one sparse axis.
    pub(crate) fn at(name: String, place: ParamPlace, shape: &[u32]) -> Self {
        Self { name, place, shape: shape.to_vec(), sparse_dim: 1, storage: Storage::default() }
    }

    /// How the parameter is stored (default [`Format::F32`]). Of 16 bits, two lie in a word without padding between
    /// rows, and each region holds whole words of 4 bytes; what follows the last number is left as it is.
    pub fn format(mut self, format: Format) -> Self {
        self.storage.param = format;
        self
    }

    /// How its moments are stored: [`Format::F32`] (default), or [`Format::Bf16`] with
    /// [`Rounding::Stochastic`], which takes half the memory.
    pub fn moments(mut self, format: Format) -> Self {
        self.storage.moments = format;
        self
    }

    /// How what is stored in 16 bits is rounded (default [`Rounding::Nearest`]). Steps that are small beside a
    /// weight are lost with that default: train with [`Rounding::Stochastic`].
    pub fn rounding(mut self, rounding: Rounding) -> Self {
        self.storage.rounding = rounding;
        self
    }

    /// How many leading axes are sparse (1 to 3, default 1). A gradient's indices are then
    /// `[sparse_dim, nnz]`, as torch lays them out, and a row is those axes flattened.
    pub fn sparse_dim(mut self, sparse_dim: usize) -> Self {
        self.sparse_dim = sparse_dim;
        self
    }

    /// The regions and their rows, which must be those of the table.
    pub(crate) fn parts(&self, table: Geometry) -> Result<Vec<(&Region, u32)>, Error> {
        let rows_of = |rows: Option<u32>| rows.unwrap_or(table.rows);
        let parts = self.place.regions.iter().map(|(region, rows)| (region, rows_of(*rows)));
        let rows: u64 = self.place.regions.iter().map(|(_, rows)| u64::from(rows_of(*rows))).sum();
        if rows != u64::from(table.rows)
            || self.place.regions.iter().any(|(_, rows)| *rows == Some(0))
        {
            return Err(Error::InvalidShape {
                what: format!("parts of parameter {:?}", self.name),
                expected: "parts of at least one row that add up to the rows of the shape",
                found: self.place.regions.iter().map(|(_, rows)| rows_of(*rows)).collect(),
            });
        }
        Ok(parts.collect())
    }

    pub(crate) fn geometry(&self) -> Result<Geometry, Error> {
        Geometry::new(&self.name, &self.shape, self.sparse_dim)
    }
}

/// Where a parameter is: in one region, or in several.
///
/// Made from whatever a [`Region`] is made from; for several with [`ParamPlace::in_parts`].
#[derive(Clone, Debug)]
#[must_use = "a place does nothing before a parameter is put there"]
pub struct ParamPlace {
    /// Consecutive rows: a region each, and its rows, where they are known.
    regions: Vec<(Region, Option<u32>)>,
}

impl ParamPlace {
    /// One region for all rows.
    pub fn new(region: impl Into<Region>) -> Self {
        Self { regions: vec![(region.into(), None)] }
    }

    /// Several regions with rows in order, each with its number of rows.
    pub fn in_parts(parts: impl IntoIterator<Item = (Region, u32)>) -> Self {
        Self { regions: parts.into_iter().map(|(region, rows)| (region, Some(rows))).collect() }
    }
}

impl<R: Into<Region>> From<R> for ParamPlace {
    fn from(region: R) -> Self {
        Self::new(region)
    }
}

/// A table as the kernels see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Sizes of the sparse axes; 1 where there is none.
    pub axes: [u32; 3],
    pub sparse_dim: u32,
    pub rows: u32,
    pub dim: u32,
}

/// Whether a row has few enough columns, of one f32 or of four, for every stage.
fn has_few_columns(dim: u32) -> bool {
    let columns = if dim.is_multiple_of(4) { dim / 4 } else { dim };
    columns <= MOST_COLUMNS
}

impl Geometry {
    fn new(name: &str, shape: &[u32], sparse_dim: usize) -> Result<Self, Error> {
        let invalid = |expected| Error::InvalidShape {
            what: format!("parameter {name:?}"),
            expected,
            found: shape.to_vec(),
        };
        if sparse_dim == 0 || sparse_dim > 3 || sparse_dim > shape.len() {
            return Err(invalid("one to three sparse axes, no more than there are axes"));
        }
        if shape.contains(&0) {
            return Err(invalid("no axis of size 0"));
        }
        let (sparse, dense) = shape.split_at(sparse_dim);
        let product =
            |axes: &[u32]| axes.iter().try_fold(1u32, |product, &axis| product.checked_mul(axis));
        let rows = product(sparse).filter(|&rows| rows < u32::MAX);
        let rows = rows.ok_or_else(|| invalid("at most 2^32 - 2 rows"))?;
        let expected = "rows of at most 212,984 values, or of 851,936 where four divides them";
        let dim = product(dense).filter(|&dim| has_few_columns(dim));
        let dim = dim.ok_or_else(|| invalid(expected))?;
        let mut axes = [1; 3];
        axes[..sparse_dim].copy_from_slice(sparse);
        Ok(Self { axes, sparse_dim: sparse_dim as u32, rows, dim })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_flatten() {
        let cases: [(&[u32], usize, (u32, u32)); 5] = [
            (&[50], 1, (50, 1)),
            (&[50, 8], 1, (50, 8)),
            (&[20, 4, 6], 1, (20, 24)),
            (&[20, 4, 6], 2, (80, 6)),
            (&[20, 4, 6], 3, (480, 1)),
        ];
        for (shape, sparse_dim, expected) in cases {
            let geometry = Geometry::new("p", shape, sparse_dim).unwrap();
            assert_eq!((geometry.rows, geometry.dim), expected);
        }
    }

    #[test]
    fn impossible_shapes_are_refused() {
        let cases: [(&[u32], usize); 8] = [
            (&[], 1),
            (&[4, 0], 1),
            (&[4], 2),
            (&[4], 0),
            (&[2, 2, 2, 2], 4),
            (&[65536, 65536], 2),
            (&[10, MOST_COLUMNS + 1], 1),
            (&[10, 1024, 1024], 1),
        ];
        for (shape, sparse_dim) in cases {
            assert!(matches!(
                Geometry::new("p", shape, sparse_dim),
                Err(Error::InvalidShape { .. })
            ));
        }
    }
}
