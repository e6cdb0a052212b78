//! Reading a region back.

use super::Gpu;
use super::scopes::{self, Asked, lost_while};
use futures::channel::oneshot;
use sparse_adam::{Error, Region};
use std::ops::Range;
use wgpu::{
    Buffer, BufferDescriptor, BufferUsages, COPY_BUFFER_ALIGNMENT, CommandEncoderDescriptor,
    MapMode, PollType,
};

const LABEL: &str = "sparse_adam_testkit::readback";

/// The bytes of a region, after everything submitted so far.
///
/// # Errors
/// [`Error::MissingUsage`], [`Error::Unsupported`], [`Error::InvalidBuffer`],
/// [`Error::OutOfMemory`], [`Error::DeviceLost`].
pub(super) async fn read(gpu: &Gpu, region: &Region) -> Result<Vec<u8>, Error> {
    scopes::alive(&gpu.device)?;
    let copied = copied(region)?;
    let staging = stage(gpu, copied.end - copied.start).await?;
    copy(gpu, region.buffer(), &copied, &staging).await?;
    let (sender, receiver) = oneshot::channel();
    let map = || {
        // The receiver is only gone if this future was dropped: then nobody wants the result.
        staging.map_async(MapMode::Read, .., move |result| drop(sender.send(result)));
    };
    scopes::make_now(&gpu.device, Asked { what: LABEL, bytes: 0 }, map).await?;
    // In a browser this returns at once, and the channel wakes us.
    sparse_adam::poll_device(&gpu.device, PollType::wait_indefinitely())?;
    let failed = |error: &dyn std::fmt::Display| lost_while(&format!("reading back: {error}"));
    receiver.await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
    let view = staging.get_mapped_range(..).map_err(|error| failed(&error))?;
    let first = (region.offset() - copied.start) as usize;
    Ok(view[first..first + region.size() as usize].to_vec())
}

/// The bytes that are copied of a region's buffer: copies begin and end at multiples of 4.
fn copied(region: &Region) -> Result<Range<u64>, Error> {
    let (expected, found) = (BufferUsages::COPY_SRC, region.buffer().usage());
    if !found.contains(expected) {
        return Err(Error::MissingUsage { what: "region to read".into(), expected, found });
    }
    let end = (region.offset() + region.size()).next_multiple_of(COPY_BUFFER_ALIGNMENT);
    if end > region.buffer().size() {
        return Err(Error::Unsupported {
            what: "reading the last bytes of a buffer whose size is no multiple of 4",
            remedy: "make the buffer's size a multiple of 4",
        });
    }
    Ok(region.offset() / COPY_BUFFER_ALIGNMENT * COPY_BUFFER_ALIGNMENT..end)
}

async fn stage(gpu: &Gpu, size: u64) -> Result<Buffer, Error> {
    let descriptor = BufferDescriptor {
        label: Some(LABEL),
        size,
        usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
        mapped_at_creation: false,
    };
    let asked = Asked { what: LABEL, bytes: size };
    scopes::make_now(&gpu.device, asked, || gpu.device.create_buffer(&descriptor)).await
}

async fn copy(gpu: &Gpu, from: &Buffer, bytes: &Range<u64>, to: &Buffer) -> Result<(), Error> {
    let submit = || {
        let label = Some(LABEL);
        let mut encoder = gpu.device.create_command_encoder(&CommandEncoderDescriptor { label });
        encoder.copy_buffer_to_buffer(from, bytes.start, to, 0, bytes.end - bytes.start);
        gpu.queue.submit([encoder.finish()]);
    };
    let copied = scopes::make_now(&gpu.device, Asked { what: LABEL, bytes: 0 }, submit).await;
    copied.map_err(|error| match error {
        Error::Refused { reason, source, .. } => {
            Error::InvalidBuffer { what: "region to read".into(), reason, source }
        }
        other => other,
    })
}
