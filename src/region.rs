//! A range of a buffer that the caller owns.

use crate::Error;
use wgpu::{Buffer, BufferBinding, BufferSize, BufferUsages};

/// A range of bytes of a `wgpu::Buffer`, made from a buffer or a slice of one.
///
/// It holds a handle to the buffer, not a copy of its contents. The range must start at a
/// multiple of the device's `min_storage_buffer_offset_alignment`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Region {
    buffer: Buffer,
    offset: u64,
    size: u64,
}

impl From<&Buffer> for Region {
    fn from(buffer: &Buffer) -> Self {
        Self { buffer: buffer.clone(), offset: 0, size: buffer.size() }
    }
}

impl From<wgpu::BufferSlice<'_>> for Region {
    fn from(slice: wgpu::BufferSlice<'_>) -> Self {
        Self { buffer: slice.buffer().clone(), offset: slice.offset(), size: slice.size() }
    }
}

impl Region {
    /// The buffer.
    pub fn buffer(&self) -> &Buffer {
        &self.buffer
    }

    /// Where the range starts, in bytes.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The range's length in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// A part of this range: `size` bytes from `offset` on, both in bytes.
    pub(crate) fn part(&self, offset: u64, size: u64) -> Region {
        Region { buffer: self.buffer.clone(), offset: self.offset + offset, size }
    }

    pub(crate) fn binding(&self) -> BufferBinding<'_> {
        BufferBinding {
            buffer: &self.buffer,
            offset: self.offset,
            // Without a size, wgpu would take the rest of the buffer. A range of no bytes is
            // bound as one, which wgpu refuses.
            size: Some(BufferSize::new(self.size).unwrap_or(BufferSize::MIN)),
        }
    }

    /// Checks that the range can be bound as storage and holds `bytes`, and cuts it to them.
    pub(crate) fn storage(
        &self,
        what: &dyn std::fmt::Display,
        bytes: u64,
        alignment: u64,
    ) -> Result<Region, Error> {
        let what = || what.to_string();
        if self.size < bytes {
            return Err(Error::BufferTooSmall { what: what(), expected: bytes, found: self.size });
        }
        let (expected, found) = (BufferUsages::STORAGE, self.buffer.usage());
        if !found.contains(expected) {
            return Err(Error::MissingUsage { what: what(), expected, found });
        }
        if !self.offset.is_multiple_of(alignment) {
            let (expected, found) = (alignment, self.offset);
            return Err(Error::Misaligned { what: what(), expected, found });
        }
        Ok(self.part(0, bytes))
    }

    pub(crate) fn overlaps(&self, other: &Region) -> bool {
        self.buffer == other.buffer
            && self.offset < other.offset + other.size
            && other.offset < self.offset + self.size
    }
}

/// Checks that no two regions of the gradient of `name`, each with its role, share bytes.
pub(crate) fn check_disjoint<'a>(
    name: &str,
    regions: impl Iterator<Item = (&'a str, &'a Region)> + Clone,
) -> Result<(), Error> {
    for (i, (first, a)) in regions.clone().enumerate() {
        for (second, b) in regions.clone().skip(i + 1) {
            if a.overlaps(b) {
                let of = |role| format!("{role} of {name:?}");
                return Err(Error::Overlap { first: of(first), second: of(second) });
            }
        }
    }
    Ok(())
}
