//! Writing large contents into buffers of the library.

use crate::Error;
use crate::guard::{Guard, lost_while};
use wgpu::{Buffer, BufferDescriptor, BufferUsages, CommandEncoderDescriptor, Device};

/// Most bytes that are on their way to a buffer at once; a multiple of 4.
pub(crate) const PART_BYTES: u64 = 64 << 20;

const LABEL: &str = "sparse_adam::upload";

/// Writes `bytes` (a multiple of 4) to `buffer` from `offset` on, and submits that natively.
///
/// `Queue::write_buffer` would do, but where it finds no memory wgpu 30 gives the device up. In a
/// browser it does, and there mapping a new buffer throws instead.
///
/// # Errors
/// As [`Guard::make`].
pub(crate) fn write(
    guard: &Guard,
    buffer: &Buffer,
    offset: u64,
    bytes: &[u8],
) -> Result<(), Error> {
    let size = bytes.len() as u64;
    if cfg!(target_arch = "wasm32") {
        return guard.make(LABEL, size, |_| guard.queue.write_buffer(buffer, offset, bytes));
    }
    let descriptor = BufferDescriptor {
        label: Some(LABEL),
        size,
        usage: BufferUsages::MAP_WRITE | BufferUsages::COPY_SRC,
        mapped_at_creation: true,
    };
    let staging = guard.make(LABEL, size, |device| device.create_buffer(&descriptor))?;
    let mapped = staging.get_mapped_range_mut(..);
    let mut mapped = mapped.map_err(|error| lost_while(&format!("uploading: {error}")))?;
    mapped.slice(..).copy_from_slice(bytes);
    drop(mapped);
    guard.make(LABEL, 0, |device: &Device| {
        staging.unmap();
        let label = Some(LABEL);
        let mut encoder = device.create_command_encoder(&CommandEncoderDescriptor { label });
        encoder.copy_buffer_to_buffer(&staging, 0, buffer, offset, size);
        guard.queue.submit([encoder.finish()]);
    })
}
