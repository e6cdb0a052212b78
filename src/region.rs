//! A range of a buffer that the caller owns.

use crate::Error;
use wgpu::{Buffer, BufferBinding, BufferSize, BufferSlice, BufferUsages};

/// A range of bytes of a `wgpu::Buffer`: made with [`Region::new`], or from a buffer, a slice of
/// one, or a binding.
///
/// It holds a handle to the buffer, not a copy of its contents. What is bound must start at a
/// multiple of the device's `min_storage_buffer_offset_alignment`; whoever takes a region says which
/// `BufferUsages` its buffer needs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Region {
    buffer: Buffer,
    offset: u64,
    size: u64,
}

/// The same, of a buffer that is not held.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot<'a> {
    pub buffer: &'a Buffer,
    pub offset: u64,
    pub size: u64,
}

impl<'a> Spot<'a> {
    /// A part of it: `size` bytes from `offset` on, both in bytes.
    pub fn part(self, offset: u64, size: u64) -> Self {
        Self { offset: self.offset + offset, size, ..self }
    }

    /// The least that has all bytes of both, which are of one buffer.
    pub fn with(self, other: Self) -> Self {
        debug_assert_eq!(self.buffer, other.buffer);
        let offset = self.offset.min(other.offset);
        let end = (self.offset + self.size).max(other.offset + other.size);
        Self { offset, size: end - offset, ..self }
    }
}

impl<'a> From<&'a Buffer> for Spot<'a> {
    fn from(buffer: &'a Buffer) -> Self {
        Self { buffer, offset: 0, size: buffer.size() }
    }
}

impl From<Spot<'_>> for Region {
    fn from(Spot { buffer, offset, size }: Spot<'_>) -> Self {
        Self::new(buffer, offset, size)
    }
}

impl From<Buffer> for Region {
    fn from(buffer: Buffer) -> Self {
        let size = buffer.size();
        Self { buffer, offset: 0, size }
    }
}

impl From<&Buffer> for Region {
    fn from(buffer: &Buffer) -> Self {
        Self::from(buffer.clone())
    }
}

impl From<BufferSlice<'_>> for Region {
    fn from(slice: BufferSlice<'_>) -> Self {
        Self::from(&slice)
    }
}

impl From<&BufferSlice<'_>> for Region {
    fn from(slice: &BufferSlice<'_>) -> Self {
        Self::new(slice.buffer(), slice.offset(), slice.size())
    }
}

/// A binding without a size reaches to the end of the buffer.
impl From<BufferBinding<'_>> for Region {
    fn from(BufferBinding { buffer, offset, size }: BufferBinding<'_>) -> Self {
        let rest = || buffer.size().saturating_sub(offset);
        Self::new(buffer, offset, size.map_or_else(rest, BufferSize::get))
    }
}

impl From<&Region> for Region {
    fn from(region: &Region) -> Self {
        region.clone()
    }
}

impl Region {
    /// `size` bytes of `buffer` from `offset` on, both in bytes. A range that ends behind its buffer
    /// is refused where it is used ([`Error::BufferTooSmall`]).
    #[must_use]
    pub fn new(buffer: &Buffer, offset: u64, size: u64) -> Self {
        Self { buffer: buffer.clone(), offset, size }
    }

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

    /// The range, without a handle to the buffer of its own.
    pub(crate) fn spot(&self) -> Spot<'_> {
        Spot { buffer: &self.buffer, offset: self.offset, size: self.size }
    }

    /// Whether it is that range.
    pub(crate) fn is_at(&self, Spot { buffer, offset, size }: Spot<'_>) -> bool {
        (self.offset, self.size) == (offset, size) && self.buffer == *buffer
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

    /// Checks that the range ends in its buffer.
    pub(crate) fn check_inside(&self, what: &dyn std::fmt::Display) -> Result<(), Error> {
        let (expected, found) = (self.offset.saturating_add(self.size), self.buffer.size());
        if expected <= found {
            return Ok(());
        }
        Err(Error::BufferTooSmall { what: format!("the buffer of {what}"), expected, found })
    }

    /// Checks that the range can be bound as storage and holds `bytes`, and cuts it to them.
    pub(crate) fn storage(
        &self,
        what: &dyn std::fmt::Display,
        bytes: u64,
        alignment: u64,
    ) -> Result<Region, Error> {
        self.check_inside(what)?;
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

/// Bytes that are bound for so many: whole words.
pub(crate) fn in_words(bytes: u64) -> u64 {
    bytes.next_multiple_of(4)
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
