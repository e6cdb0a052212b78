//! What is made, written, submitted and read on a rank's device; every refusal is heard in error scopes.

use futures::FutureExt;
use futures::channel::oneshot;
use sparse_adam::{Error, Region};
use wgpu::{
    Buffer, BufferDescriptor, BufferUsages, CommandEncoder, CommandEncoderDescriptor, Device,
    ErrorFilter, MapMode, PollType, Queue,
};

const LABEL: &str = "sparse_adam_mpi";

/// A rank's device and its queue.
#[derive(Clone, Debug)]
pub(crate) struct Gpu {
    pub device: Device,
    pub queue: Queue,
}

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
    pub fn submit(
        &self,
        record: impl FnOnce(&mut CommandEncoder) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let descriptor = CommandEncoderDescriptor { label: Some(LABEL) };
        let mut encoder = self.device.create_command_encoder(&descriptor);
        let recorded = record(&mut encoder);
        // After a hook's error the step is recorded and counted.
        if !matches!(recorded, Ok(()) | Err(Error::AfterStep { .. })) {
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
        let size: u64 = regions.iter().map(Region::size).sum();
        if size == 0 {
            return Ok(vec![Vec::new(); regions.len()]);
        }
        let staging = self.buffer(what, size, BufferUsages::MAP_READ | BufferUsages::COPY_DST)?;
        self.submit(|encoder| {
            let mut at = 0;
            for region in regions {
                let (buffer, offset, size) = (region.buffer(), region.offset(), region.size());
                encoder.copy_buffer_to_buffer(buffer, offset, &staging, at, size);
                at += size;
            }
            Ok(())
        })?;
        let (sender, receiver) = oneshot::channel();
        self.heard(what, 0, || {
            // The receiver is only gone where this call has failed.
            staging.map_async(MapMode::Read, .., move |result| drop(sender.send(result)));
        })?;
        let lost =
            |reason: String| Error::DeviceLost { reason: format!("reading {what}: {reason}") };
        let polled = self.device.poll(PollType::wait_indefinitely());
        polled.map_err(|error| lost(error.to_string()))?;
        let mapped = pollster::block_on(receiver).map_err(|error| lost(error.to_string()))?;
        mapped.map_err(|error| lost(error.to_string()))?;
        let view = staging.get_mapped_range(..).map_err(|error| lost(error.to_string()))?;
        let mut rest: &[u8] = &view;
        let words = regions.iter().map(|region| {
            let (words, behind) = rest.split_at(region.size() as usize);
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
