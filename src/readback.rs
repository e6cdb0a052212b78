//! Reading buffers back: the only place of the library that submits and waits.

use crate::{Error, Region};
use futures::FutureExt;
use futures::channel::oneshot;
use std::future::poll_fn;
use std::task::{Context, Poll};
use wgpu::Queue;
use wgpu::{BufferDescriptor, BufferUsages, CommandEncoderDescriptor, Device, MapMode, PollType};

/// How a native reader waits. In a browser every reader yields.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Until the device is done, in the first poll of the future.
    Block,
    /// Each poll of the future asks the device and returns at once.
    Yield,
}

/// Copies regions to the host, after everything submitted so far. The regions' buffers need
/// `BufferUsages::COPY_SRC`; offsets and sizes must be multiples of 4.
pub(crate) async fn read(
    device: &Device,
    queue: &Queue,
    regions: &[Region],
    wait: Wait,
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
    if wait == Wait::Block {
        // In a browser this returns at once, and the channel wakes us.
        device.poll(PollType::wait_indefinitely()).map_err(|error| lost(error.to_string()))?;
    }
    let mut contents = Vec::with_capacity(staged.len());
    for (staging, mut receiver) in staged.iter().zip(mapped) {
        let arrived = poll_fn(|context| ask(device, &mut receiver, context));
        let result = arrived.await.map_err(|error| lost(error.to_string()))?;
        result.map_err(|error| lost(error.to_string()))?;
        let view = staging.get_mapped_range(..).map_err(|error| lost(error.to_string()))?;
        contents.push(view.to_vec());
        drop(view);
        staging.unmap();
    }
    Ok(contents)
}

/// Whether a mapping is there. Natively callbacks run only while somebody polls the device, so
/// this does, without waiting, and asks to be polled again.
fn ask<T>(
    device: &Device,
    receiver: &mut oneshot::Receiver<T>,
    context: &mut Context<'_>,
) -> Poll<Result<T, String>> {
    if let Err(error) = device.poll(PollType::Poll) {
        return Poll::Ready(Err(error.to_string()));
    }
    let arrived = receiver.poll_unpin(context).map_err(|error| error.to_string());
    if arrived.is_pending() && cfg!(not(target_arch = "wasm32")) {
        context.waker().wake_by_ref();
    }
    arrived
}
