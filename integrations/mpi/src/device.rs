//! What is made, written, submitted and read on a rank's device; every refusal is heard in error scopes.

use futures::FutureExt;
use futures::channel::oneshot;
use sparse_adam::{Error, Region};
use wgpu::{
    Buffer, BufferAsyncError, BufferDescriptor, BufferUsages, CommandEncoder,
    CommandEncoderDescriptor, Device, ErrorFilter, MapMode, PollType, Queue, SubmissionIndex,
};

const LABEL: &str = "sparse_adam_mpi";

/// A rank's device and its queue.
#[derive(Clone, Debug)]
pub(crate) struct Gpu {
    pub device: Device,
    pub queue: Queue,
}

/// Regions on their way to the host.
#[derive(Debug)]
pub(crate) struct Reading {
    sizes: Vec<u64>,
    /// None where there is nothing to copy.
    copied: Option<(Buffer, SubmissionIndex, Mapped)>,
}

type Mapped = oneshot::Receiver<Result<(), BufferAsyncError>>;

impl Gpu {
    /// A buffer of `size` bytes (a multiple of 4).
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], [`Error::Refused`]; so of all that follows, [`Error::DeviceLost`] where reading fails.
    pub fn buffer(&self, what: &str, size: u64, usage: BufferUsages) -> Result<Buffer, Error> {
        let descriptor =
            BufferDescriptor { label: Some(LABEL), size, usage, mapped_at_creation: false };
        self.heard(what, size, || self.device.create_buffer(&descriptor))
    }

    /// Writes words to the start of a buffer.
    pub fn write(&self, what: &str, buffer: &Buffer, words: &[u32]) -> Result<(), Error> {
        let bytes: &[u8] = bytemuck::cast_slice(words);
        self.heard(what, bytes.len() as u64, || self.queue.write_buffer(buffer, 0, bytes))
    }

    /// Records with `record`, and submits what it recorded.
    pub fn submit<T>(
        &self,
        record: impl FnOnce(&mut CommandEncoder) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let descriptor = CommandEncoderDescriptor { label: Some(LABEL) };
        let mut encoder =
            self.heard("commands", 0, || self.device.create_command_encoder(&descriptor))?;
        let recorded = record(&mut encoder);
        // After a hook's error the step is recorded and counted.
        if !matches!(recorded, Ok(_) | Err(Error::AfterStep { .. })) {
            return recorded;
        }
        self.heard("the commands that were recorded", 0, || {
            self.queue.submit([encoder.finish()]);
        })?;
        recorded
    }

    /// The first `bytes` of a buffer that is kept in `held`, which is made anew where it is too small.
    pub fn at_least(
        &self,
        what: &str,
        held: &mut Option<Buffer>,
        bytes: u64,
        usage: BufferUsages,
    ) -> Result<Region, Error> {
        let buffer = match held.take().filter(|buffer| buffer.size() >= bytes) {
            Some(buffer) => buffer,
            None => {
                let most = self.device.limits().max_buffer_size;
                let size = bytes.next_power_of_two().min(most).max(bytes);
                self.buffer(what, size, usage)?
            }
        };
        Ok(Region::new(held.insert(buffer), 0, bytes))
    }

    /// The words of regions (of buffers with usage `COPY_SRC`), after everything submitted so far.
    pub fn read(&self, what: &str, regions: &[Region]) -> Result<Vec<Vec<u32>>, Error> {
        let reading = self.begin_read(what, regions)?;
        self.finish_read(what, reading)
    }

    /// Has the device copy regions to where [`Gpu::finish_read`] reads them, after everything submitted so far.
    pub fn begin_read(&self, what: &str, regions: &[Region]) -> Result<Reading, Error> {
        let sizes: Vec<_> = regions.iter().map(Region::size).collect();
        let size = sizes.iter().sum();
        if size == 0 {
            return Ok(Reading { sizes, copied: None });
        }
        let staging = self.buffer(what, size, BufferUsages::MAP_READ | BufferUsages::COPY_DST)?;
        let submitted = self.heard(what, 0, || {
            let descriptor = CommandEncoderDescriptor::default();
            let mut encoder = self.device.create_command_encoder(&descriptor);
            let mut at = 0;
            for region in regions {
                let (buffer, offset, size) = (region.buffer(), region.offset(), region.size());
                encoder.copy_buffer_to_buffer(buffer, offset, &staging, at, size);
                at += size;
            }
            self.queue.submit([encoder.finish()])
        })?;
        let (sender, mapped) = oneshot::channel();
        self.heard(what, 0, || {
            // The receiver is only gone where this call has failed.
            staging.map_async(MapMode::Read, .., move |result| drop(sender.send(result)));
        })?;
        Ok(Reading { sizes, copied: Some((staging, submitted, mapped)) })
    }

    /// The words of each region. Waits for the copy, and for nothing that was submitted later.
    pub fn finish_read(&self, what: &str, reading: Reading) -> Result<Vec<Vec<u32>>, Error> {
        let Some((staging, submitted, mapped)) = reading.copied else {
            return Ok(vec![Vec::new(); reading.sizes.len()]);
        };
        let lost =
            |reason: String| Error::DeviceLost { reason: format!("reading {what}: {reason}") };
        let copied = PollType::Wait { submission_index: Some(submitted), timeout: None };
        sparse_adam::poll_device(&self.device, copied)?;
        let mapped = pollster::block_on(mapped).map_err(|error| lost(error.to_string()))?;
        mapped.map_err(|error| lost(error.to_string()))?;
        let view = staging.get_mapped_range(..).map_err(|error| lost(error.to_string()))?;
        let mut rest: &[u8] = &view;
        let words = reading.sizes.iter().map(|&size| {
            let (words, behind) = rest.split_at(size as usize);
            rest = behind;
            bytemuck::pod_collect_to_vec(words)
        });
        Ok(words.collect())
    }

    /// What `make` makes; `what` and how many bytes of memory it takes are told where the device refuses.
    pub fn heard<T>(&self, what: &str, bytes: u64, make: impl FnOnce() -> T) -> Result<T, Error> {
        let validation = self.device.push_error_scope(ErrorFilter::Validation);
        let internal = self.device.push_error_scope(ErrorFilter::Internal);
        let memory = self.device.push_error_scope(ErrorFilter::OutOfMemory);
        let value = make();
        // In the reverse of the order in which they were pushed; natively each has heard all by now.
        let memory = memory.pop().now_or_never().flatten();
        let internal = internal.pop().now_or_never().flatten();
        let validation = validation.pop().now_or_never().flatten();
        let Some(error) = memory.or(internal).or(validation) else { return Ok(value) };
        let (what, reason, source) = (what.to_string(), error.to_string(), None);
        Err(match error {
            wgpu::Error::OutOfMemory { .. } => Error::OutOfMemory { what, bytes, reason, source },
            _ => Error::Refused { what, reason, source },
        })
    }
}
