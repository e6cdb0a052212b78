//! Reading buffers back. With `upload`, the only place of the library that submits; the only one
//! that waits.

use crate::guard::{self, Asked, Guard, lost_while};
use crate::{Error, Region};
use futures::FutureExt;
use futures::channel::oneshot;
use std::future::poll_fn;
use std::ops::Range;
use std::task::{Context, Poll};
use wgpu::{
    Buffer, BufferDescriptor, BufferUsages, COPY_BUFFER_ALIGNMENT, CommandEncoderDescriptor,
    Device, MapMode, PollType, SubmissionIndex,
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

/// Small regions share a staging buffer of up to this many bytes.
const SHARED_BYTES: u64 = 64 << 20;

type Mapped = oneshot::Receiver<Result<(), wgpu::BufferAsyncError>>;

/// Regions that have been copied and are on their way to the host. What is written to them from now
/// on is not seen.
pub(crate) struct Reading {
    staged: Vec<(Buffer, Mapped)>,
    /// Of each region, in order: its staging buffer, and its bytes in there.
    places: Vec<(usize, Range<usize>)>,
    /// What the device has not yet said of the requests made for this.
    asked: Vec<Asked>,
    /// None where there is nothing to copy.
    submitted: Option<SubmissionIndex>,
}

impl Reading {
    /// Copies `regions` as they are after everything submitted so far, in one submit of its own.
    ///
    /// # Errors
    /// [`Error::MissingUsage`] where a buffer lacks `BufferUsages::COPY_SRC`; [`Error::Unsupported`],
    /// [`Error::BufferTooSmall`], [`Error::InvalidBuffer`], [`Error::OutOfMemory`],
    /// [`Error::DeviceLost`].
    pub fn start(guard: &Guard, regions: &[Region]) -> Result<Self, Error> {
        guard.alive()?;
        let copied = regions.iter().map(copied).collect::<Result<Vec<_>, _>>()?;
        let (places, sizes) = placed(regions, &copied);
        let mut asked = Vec::new();
        if sizes.is_empty() {
            return Ok(Self { staged: Vec::new(), places, asked, submitted: None });
        }
        let mut buffers = Vec::with_capacity(sizes.len());
        for size in sizes {
            let usage = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
            let label = Some(LABEL);
            let descriptor = BufferDescriptor { label, size, usage, mapped_at_creation: false };
            let make = |device: &Device| device.create_buffer(&descriptor);
            buffers.push(guard.make_asking(LABEL, size, &mut asked, make)?);
        }
        let submit = |device: &Device| {
            let label = Some(LABEL);
            let mut encoder = device.create_command_encoder(&CommandEncoderDescriptor { label });
            for ((region, copied), place) in regions.iter().zip(copied).zip(&places) {
                let (to, at) = (&buffers[place.0], place.1.start as u64);
                let Range { start, end } = copied;
                // Where a copy can begin, as the region may not.
                let at = at / COPY_BUFFER_ALIGNMENT * COPY_BUFFER_ALIGNMENT;
                encoder.copy_buffer_to_buffer(region.buffer(), start, to, at, end - start);
            }
            guard.queue.submit([encoder.finish()])
        };
        let submitted = guard.make_asking(LABEL, 0, &mut asked, submit).map_err(unreadable)?;
        let map = |buffer: Buffer| {
            let (sender, receiver) = oneshot::channel();
            // The receiver is only gone if its future was dropped: then nobody wants the result.
            let done = move |result| drop(sender.send(result));
            guard.make_asking(LABEL, 0, &mut asked, |_| {
                buffer.map_async(MapMode::Read, .., done);
            })?;
            Ok((buffer, receiver))
        };
        let staged = buffers.into_iter().map(map).collect::<Result<_, Error>>()?;
        Ok(Self { staged, places, asked, submitted: Some(submitted) })
    }

    /// Waits for the copies and gives the bytes of each region to `take`, in the order of the
    /// regions. A staging buffer is let go of once its regions are taken.
    ///
    /// # Errors
    /// [`Error::InvalidBuffer`], [`Error::OutOfMemory`], [`Error::DeviceLost`].
    pub async fn finish(
        self,
        guard: &Guard,
        wait: Wait,
        mut take: impl FnMut(&[u8]),
    ) -> Result<(), Error> {
        for asked in self.asked {
            guard.answer(asked).await.map_err(unreadable)?;
        }
        if wait == Wait::Block && self.submitted.is_some() {
            // Not for what was submitted later. In a browser this returns at once, and the channel
            // wakes us.
            let copied = PollType::Wait { submission_index: self.submitted, timeout: None };
            guard::poll_device(&guard.device, copied)?;
        }
        let mut places = self.places.into_iter().peekable();
        for (number, (staging, mut mapped)) in self.staged.into_iter().enumerate() {
            poll_fn(|context| ask(&guard.device, &mut mapped, context)).await?;
            let view = staging.get_mapped_range(..);
            let view = view.map_err(|error| lost_while(&format!("reading back: {error}")))?;
            while let Some((_, bytes)) = places.next_if(|(buffer, _)| *buffer == number) {
                take(&view[bytes]);
            }
            drop(view);
            // A browser would keep it until it collects garbage.
            staging.destroy();
        }
        Ok(())
    }
}

/// Where each region goes, and the sizes of the staging buffers.
fn placed(regions: &[Region], copied: &[Range<u64>]) -> (Vec<(usize, Range<usize>)>, Vec<u64>) {
    let mut sizes: Vec<u64> = Vec::new();
    let mut place = |(region, copied): (&Region, &Range<u64>)| {
        let bytes = copied.end - copied.start;
        if sizes.last().is_none_or(|size| size + bytes > SHARED_BYTES) {
            sizes.push(0);
        }
        let buffer = sizes.len() - 1;
        let first = (sizes[buffer] + region.offset() - copied.start) as usize;
        sizes[buffer] += bytes;
        (buffer, first..first + region.size() as usize)
    };
    let places = regions.iter().zip(copied).map(&mut place).collect();
    (places, sizes)
}

/// The bytes that are copied of a region's buffer: copies begin and end at multiples of 4.
fn copied(region: &Region) -> Result<Range<u64>, Error> {
    let what = "region to read";
    region.check_inside(&what)?;
    let (expected, found) = (BufferUsages::COPY_SRC, region.buffer().usage());
    if !found.contains(expected) {
        return Err(Error::MissingUsage { what: what.into(), expected, found });
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

/// Of a copy that was refused, the regions are to blame: the rest is the library's own.
fn unreadable(error: Error) -> Error {
    error.blamed_on("region to read")
}

/// Whether a mapping is there. Natively callbacks run only while somebody polls the device, so
/// this does, without waiting, and asks to be polled again.
fn ask(
    device: &Device,
    receiver: &mut Mapped,
    context: &mut Context<'_>,
) -> Poll<Result<(), Error>> {
    guard::poll_device(device, PollType::Poll)?;
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
