//! Buffers kept between steps. Only GPU commands touch them, and those are ordered.

use crate::Error;
use futures::FutureExt;
use wgpu::{Buffer, BufferDescriptor, BufferUsages, Device, ErrorFilter};

/// Scratch of the sort and the sums; grows to the largest step seen and stays.
#[derive(Debug)]
pub struct Scratch {
    /// Pairs on their way: `[pairs, 2]` u32.
    pub pairs: Buffer,
    /// Sorted pairs `[pairs, 2]` u32, then what a plan finds room for: lists of heads, sources,
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
    pub fn new(device: &Device) -> Self {
        let smallest = |label| create(device, label, 256);
        Self {
            pairs: smallest("sparse_adam::pairs"),
            sorted: smallest("sparse_adam::sorted"),
            histogram: smallest("sparse_adam::histogram"),
        }
    }

    /// Bytes of all buffers.
    pub fn bytes(&self) -> u64 {
        self.pairs.size() + self.sorted.size() + self.histogram.size()
    }

    /// The same scratch, with each buffer at least as large as asked for, at most `limit`.
    pub fn grown(&self, device: &Device, need: ScratchBytes, limit: u64) -> Result<Self, Error> {
        Ok(Self {
            pairs: grown(device, "sparse_adam::pairs", &self.pairs, need.pairs, limit)?,
            sorted: grown(device, "sparse_adam::sorted", &self.sorted, need.sorted, limit)?,
            histogram: grown(
                device,
                "sparse_adam::histogram",
                &self.histogram,
                need.histogram,
                limit,
            )?,
        })
    }
}

fn grown(
    device: &Device,
    label: &'static str,
    buffer: &Buffer,
    bytes: u64,
    limit: u64,
) -> Result<Buffer, Error> {
    if buffer.size() >= bytes {
        return Ok(buffer.clone());
    }
    // Powers of two, so that slowly growing steps do not allocate every time.
    try_create(device, label, bytes.next_power_of_two().min(limit))
}

/// Creates a zeroed storage buffer.
///
/// # Errors
/// [`Error::OutOfMemory`] where the device says so at once, which native backends do.
pub fn try_create(device: &Device, label: &'static str, bytes: u64) -> Result<Buffer, Error> {
    checked(device, label, bytes, || create(device, label, bytes))
}

/// Creates a zeroed uniform buffer that commands can copy to.
///
/// # Errors
/// As [`try_create`].
pub fn create_uniform(device: &Device, label: &'static str, size: u64) -> Result<Buffer, Error> {
    checked(device, label, size, || {
        device.create_buffer(&BufferDescriptor {
            label: Some(label),
            size,
            usage: BufferUsages::UNIFORM | BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    })
}

fn checked(
    device: &Device,
    label: &'static str,
    bytes: u64,
    create: impl FnOnce() -> Buffer,
) -> Result<Buffer, Error> {
    let validation = device.push_error_scope(ErrorFilter::Validation);
    let memory = device.push_error_scope(ErrorFilter::OutOfMemory);
    let buffer = create();
    let refused = memory.pop().now_or_never().flatten();
    let invalid = validation.pop().now_or_never().flatten();
    match refused.or(invalid) {
        None => Ok(buffer),
        Some(error) => {
            Err(Error::OutOfMemory { what: label.to_string(), bytes, reason: error.to_string() })
        }
    }
}

fn create(device: &Device, label: &'static str, size: u64) -> Buffer {
    device.create_buffer(&BufferDescriptor {
        label: Some(label),
        size,
        usage: BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST,
        mapped_at_creation: false,
    })
}
