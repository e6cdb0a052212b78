//! Reading buffers back. With `upload`, the only place of the library that submits; the only one
//! that waits.

use crate::guard::{self, Guard, lost_while};
use crate::{Error, Region};
use futures::FutureExt;
use futures::channel::oneshot;
use std::future::poll_fn;
use std::ops::Range;
use std::task::{Context, Poll};
use wgpu::{
    Buffer, BufferDescriptor, BufferUsages, COPY_BUFFER_ALIGNMENT, CommandEncoderDescriptor,
    Device, MapMode, PollType,
};

/// How a native reader waits. In a browser every reader yields.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Until the device is done, in the first poll of the future.
    Block,
    /// Each poll of the future asks the device and returns at once.
    Yield,
}

const LABEL: &str = "sparse_adam::readback";

/// A region on its way to the host.
struct Staged {
    staging: Buffer,
    /// The region's bytes in the staging buffer, which begins and ends where a copy can.
    bytes: Range<usize>,
}

/// Copies regions to the host, after everything submitted so far.
///
/// # Errors
/// [`Error::MissingUsage`] where a buffer lacks `BufferUsages::COPY_SRC`; [`Error::Unsupported`],
/// [`Error::InvalidBuffer`], [`Error::OutOfMemory`], [`Error::DeviceLost`].
pub(crate) async fn read(
    guard: &Guard,
    regions: &[Region],
    wait: Wait,
) -> Result<Vec<Vec<u8>>, Error> {
    guard.alive()?;
    let mut staged = Vec::with_capacity(regions.len());
    for region in regions {
        staged.push(stage(guard, region).await?);
    }
    copy(guard, regions, &staged).await?;
    let mut mapped = Vec::with_capacity(staged.len());
    for Staged { staging, .. } in &staged {
        let (sender, receiver) = oneshot::channel();
        let map = |_: &Device| {
            // The receiver is only gone if this future was dropped: then nobody wants the result.
            staging.map_async(MapMode::Read, .., move |result| drop(sender.send(result)));
        };
        guard.make_now(LABEL, 0, map).await?;
        mapped.push(receiver);
    }
    if wait == Wait::Block {
        // In a browser this returns at once, and the channel wakes us.
        guard::poll(&guard.device, PollType::wait_indefinitely())?;
    }
    let mut contents = Vec::with_capacity(staged.len());
    for (Staged { staging, bytes }, mut receiver) in staged.iter().zip(mapped) {
        poll_fn(|context| ask(&guard.device, &mut receiver, context)).await?;
        let view = staging.get_mapped_range(..);
        let view = view.map_err(|error| lost_while(&format!("reading back: {error}")))?;
        contents.push(view[bytes.clone()].to_vec());
    }
    Ok(contents)
}

/// Makes the buffer that a region is copied to.
async fn stage(guard: &Guard, region: &Region) -> Result<Staged, Error> {
    let (expected, found) = (BufferUsages::COPY_SRC, region.buffer().usage());
    if !found.contains(expected) {
        return Err(Error::MissingUsage { what: "region to read".into(), expected, found });
    }
    let copied = copied(region);
    if copied.end > region.buffer().size() {
        return Err(Error::Unsupported {
            what: "reading the last bytes of a buffer whose size is no multiple of 4",
            remedy: "make the buffer's size a multiple of 4",
        });
    }
    let size = copied.end - copied.start;
    let usage = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
    let label = Some(LABEL);
    let descriptor = BufferDescriptor { label, size, usage, mapped_at_creation: false };
    let staging = guard.make_now(LABEL, size, |device| device.create_buffer(&descriptor)).await?;
    let first = (region.offset() - copied.start) as usize;
    Ok(Staged { staging, bytes: first..first + region.size() as usize })
}

/// The bytes that are copied of a region's buffer: copies begin and end at multiples of 4.
fn copied(region: &Region) -> Range<u64> {
    let end = (region.offset() + region.size()).next_multiple_of(COPY_BUFFER_ALIGNMENT);
    region.offset() / COPY_BUFFER_ALIGNMENT * COPY_BUFFER_ALIGNMENT..end
}

/// Submits the copies.
async fn copy(guard: &Guard, regions: &[Region], staged: &[Staged]) -> Result<(), Error> {
    let submit = |device: &Device| {
        let label = Some(LABEL);
        let mut encoder = device.create_command_encoder(&CommandEncoderDescriptor { label });
        for (region, Staged { staging, .. }) in regions.iter().zip(staged) {
            let Range { start, end } = copied(region);
            encoder.copy_buffer_to_buffer(region.buffer(), start, staging, 0, end - start);
        }
        guard.queue.submit([encoder.finish()]);
    };
    guard.make_now(LABEL, 0, submit).await.map_err(|error| match error {
        Error::Refused { reason, .. } => {
            Error::InvalidBuffer { what: "region to read".into(), reason }
        }
        other => other,
    })
}

/// Whether a mapping is there. Natively callbacks run only while somebody polls the device, so
/// this does, without waiting, and asks to be polled again.
fn ask(
    device: &Device,
    receiver: &mut oneshot::Receiver<Result<(), wgpu::BufferAsyncError>>,
    context: &mut Context<'_>,
) -> Poll<Result<(), Error>> {
    guard::poll(device, PollType::Poll)?;
    let arrived = receiver.poll_unpin(context);
    if arrived.is_pending() && cfg!(not(target_arch = "wasm32")) {
        context.waker().wake_by_ref();
    }
    arrived.map(|arrived| match arrived {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(lost_while(&format!("reading back: {error}"))),
        Err(error) => Err(lost_while(&format!("reading back: {error}"))),
    })
}
