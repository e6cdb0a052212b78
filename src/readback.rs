//! Reading buffers back: the only place of the library that submits and waits.

use crate::{Error, Region};
use futures::channel::oneshot;
use wgpu::Queue;
use wgpu::{BufferDescriptor, BufferUsages, CommandEncoderDescriptor, Device, MapMode, PollType};

/// Copies regions to the host, after everything submitted so far. The regions' buffers need
/// `BufferUsages::COPY_SRC`; offsets and sizes must be multiples of 4.
pub(crate) async fn read(
    device: &Device,
    queue: &Queue,
    regions: &[Region],
) -> Result<Vec<Vec<u8>>, Error> {
    let label = Some("sparse_adam::readback");
    let mut encoder = device.create_command_encoder(&CommandEncoderDescriptor { label });
    let mut staged = Vec::with_capacity(regions.len());
    for region in regions {
        let staging = device.create_buffer(&BufferDescriptor {
            label,
            size: region.size(),
            usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let (source, size) = (region.buffer(), region.size());
        encoder.copy_buffer_to_buffer(source, region.offset(), &staging, 0, size);
        staged.push(staging);
    }
    queue.submit([encoder.finish()]);
    let lost = |reason: String| Error::DeviceLost { reason: format!("reading back: {reason}") };
    let mut mapped = Vec::with_capacity(staged.len());
    for staging in &staged {
        let (sender, receiver) = oneshot::channel();
        // The receiver is only gone if this future was dropped: then nobody wants the result.
        staging.map_async(MapMode::Read, .., move |result| drop(sender.send(result)));
        mapped.push(receiver);
    }
    // Natively this waits; in a browser it returns at once and the channel wakes us.
    device.poll(PollType::wait_indefinitely()).map_err(|error| lost(error.to_string()))?;
    let mut contents = Vec::with_capacity(staged.len());
    for (staging, receiver) in staged.iter().zip(mapped) {
        let result = receiver.await.map_err(|error| lost(error.to_string()))?;
        result.map_err(|error| lost(error.to_string()))?;
        let view = staging.get_mapped_range(..).map_err(|error| lost(error.to_string()))?;
        contents.push(view.to_vec());
        drop(view);
        staging.unmap();
    }
    Ok(contents)
}
