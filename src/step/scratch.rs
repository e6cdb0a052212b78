//! Buffers kept between steps. Only GPU commands touch them, and those are ordered.

use crate::Error;
use crate::device_limits::SMALLEST_STORAGE;
use crate::guard::Guard;
use wgpu::Buffer;

/// Scratch of the sort and the sums; grows to the largest step seen and stays until it is trimmed.
/// A clone is another handle to the same buffers.
#[derive(Clone, Debug)]
pub struct Scratch {
    /// Pairs on their way: `[pairs, 2]` u32.
    pub pairs: Buffer,
    /// Sorted pairs `[pairs, 2]` u32, then what a plan finds room for: lists of heads, terms,
    /// chunk sums.
    pub sorted: Buffer,
    pub histogram: Buffer,
}

/// Bytes that a step needs of each buffer.
#[derive(Clone, Copy, Debug)]
pub struct ScratchBytes {
    pub pairs: u64,
    pub sorted: u64,
    pub histogram: u64,
}

impl Scratch {
    /// The smallest.
    ///
    /// # Errors
    /// As [`Guard::buffer`].
    pub fn new(guard: &Guard) -> Result<Self, Error> {
        let smallest = |label| guard.storage(label, SMALLEST_STORAGE);
        Ok(Self {
            pairs: smallest("sparse_adam::pairs")?,
            sorted: smallest("sparse_adam::sorted")?,
            histogram: smallest("sparse_adam::histogram")?,
        })
    }

    /// Bytes of all buffers.
    pub fn bytes(&self) -> u64 {
        self.pairs.size() + self.sorted.size() + self.histogram.size()
    }

    /// The same scratch, with each buffer at least as large as asked for, at most `limit`.
    ///
    /// # Errors
    /// As [`Guard::buffer`].
    pub fn grown(&self, guard: &Guard, need: ScratchBytes, limit: u64) -> Result<Self, Error> {
        let grown = |label, buffer: &Buffer, bytes: u64| {
            if buffer.size() >= bytes {
                return Ok(buffer.clone());
            }
            // Powers of two, so that slowly growing steps do not allocate every time.
            guard.storage(label, bytes.next_power_of_two().min(limit))
        };
        Ok(Self {
            pairs: grown("sparse_adam::pairs", &self.pairs, need.pairs)?,
            sorted: grown("sparse_adam::sorted", &self.sorted, need.sorted)?,
            histogram: grown("sparse_adam::histogram", &self.histogram, need.histogram)?,
        })
    }
}
