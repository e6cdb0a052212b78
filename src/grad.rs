//! A sparse gradient in GPU buffers.

use crate::param::Geometry;
use crate::step::plan::DeviceShape;
use crate::{Error, Region};

/// How indices lie in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IndexFormat {
    /// Unsigned, 4 bytes.
    #[default]
    U32,
    /// Signed, 4 bytes; a negative index is out of range.
    I32,
    /// Signed, 8 bytes, little-endian, as torch keeps them.
    I64,
}

impl IndexFormat {
    pub(crate) fn bytes(self) -> u64 {
        if self == Self::I64 { 8 } else { 4 }
    }
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
    pub(crate) format: IndexFormat,
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
            format: IndexFormat::default(),
        }
    }

    /// The format of the indices (default u32).
    pub fn index_format(mut self, format: IndexFormat) -> Self {
        self.format = format;
        self
    }

    /// Checks both regions and cuts them to what the entries occupy.
    pub(crate) fn check(
        mut self,
        name: &str,
        table: Geometry,
        device: DeviceShape,
    ) -> Result<Self, Error> {
        let nnz = u64::from(self.nnz);
        if self.nnz == 0 {
            return Ok(self);
        }
        let index_bytes = nnz * u64::from(table.sparse_dim) * self.format.bytes();
        let what = format!("indices of {name:?}");
        self.indices = self.indices.storage(&what, index_bytes, device.alignment)?;
        let what = format!("values of {name:?}");
        let value_bytes = nnz * table.row_bytes();
        self.values = self.values.storage(&what, value_bytes, device.alignment)?;
        for (found, what) in [(index_bytes, "bytes of indices"), (value_bytes, "bytes of values")] {
            let (limit, what) = (device.max_binding, what.to_string());
            let remedy = "set several smaller gradients, or request a larger \
                          max_storage_buffer_binding_size";
            if found > limit {
                return Err(Error::TooLarge { what, found, limit, remedy });
            }
        }
        Ok(self)
    }
}
