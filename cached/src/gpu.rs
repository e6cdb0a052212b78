//! What is made, written, submitted and read on a table's device; every refusal is heard in error scopes.

use futures::FutureExt;
use sparse_adam::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};
use wgpu::{
    Buffer, BufferAsyncError, BufferDescriptor, BufferUsages, CommandEncoder,
    CommandEncoderDescriptor, Device, ErrorFilter, PollType, Queue,
};

pub(crate) const LABEL: &str = "sparse_adam_cached";

/// How long another thread may take to call back what the device has done.
const PATIENCE: Duration = Duration::from_secs(2);

/// A device and its queue.
#[derive(Clone, Debug)]
pub(crate) struct Gpu {
    pub device: Device,
    pub queue: Queue,
}

impl Gpu {
    /// A buffer of at least `size` bytes.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], [`Error::Refused`]; so of all that follows.
    pub fn buffer(&self, what: &str, size: u64, usage: BufferUsages) -> Result<Buffer, Error> {
        let size = size.max(16).next_multiple_of(16);
        let descriptor =
            BufferDescriptor { label: Some(LABEL), size, usage, mapped_at_creation: false };
        self.heard(what, size, || self.device.create_buffer(&descriptor))
    }

    /// Makes `buffer` one of at least `size` bytes, a power of two.
    pub fn grow(
        &self,
        what: &str,
        buffer: &mut Option<Buffer>,
        size: u64,
        usage: BufferUsages,
    ) -> Result<Buffer, Error> {
        let held = buffer.as_ref().filter(|buffer| buffer.size() >= size).cloned();
        let made = match held {
            Some(held) => held,
            None => self.buffer(what, size.next_power_of_two(), usage)?,
        };
        *buffer = Some(made.clone());
        Ok(made)
    }

    /// Records with `record`, and submits what it recorded.
    pub fn submit(&self, record: impl FnOnce(&mut CommandEncoder)) -> Result<(), Error> {
        let descriptor = CommandEncoderDescriptor { label: Some(LABEL) };
        self.heard("the commands that were recorded", 0, || {
            let mut encoder = self.device.create_command_encoder(&descriptor);
            record(&mut encoder);
            self.queue.submit([encoder.finish()]);
        })
    }

    /// Looks what the device has done; with `wait`, until it has done all that was submitted.
    ///
    /// # Errors
    /// [`Error::DeviceLost`].
    pub fn poll(&self, wait: bool) -> Result<(), Error> {
        let how = if wait { PollType::wait_indefinitely() } else { PollType::Poll };
        sparse_adam::poll_device(&self.device, how)
    }

    /// Waits until the device has done all that was submitted, and `is_told` says that it told so. False where it never
    /// does, as nothing that would have it tell was submitted.
    ///
    /// Another thread that looks at the device takes what is to be called back with it, and may be about to call it when the
    /// wait here ends. No call tells that apart from an encoder nobody submitted, but time: [`PATIENCE`].
    ///
    /// # Errors
    /// As [`Gpu::poll`]; those of `is_told`.
    pub fn wait_for(
        &self,
        mut is_told: impl FnMut() -> Result<bool, crate::Error>,
    ) -> Result<bool, crate::Error> {
        self.poll(true)?;
        // What the device takes is no matter of patience.
        let done = Instant::now();
        loop {
            if is_told()? {
                return Ok(true);
            }
            if done.elapsed() > PATIENCE {
                return Ok(false);
            }
            std::thread::sleep(Duration::from_millis(1));
            self.poll(false)?;
        }
    }

    /// What `make` makes, unless a scope hears an error of it.
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

/// Whether a buffer that is mapped on submission has been.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mapping(Arc<AtomicU8>);

impl Mapping {
    /// What wgpu calls back.
    pub fn callback(&self) -> impl FnOnce(Result<(), BufferAsyncError>) + Send + 'static {
        let told = Arc::clone(&self.0);
        move |result| told.store(if result.is_ok() { 1 } else { 2 }, Ordering::Release)
    }

    /// Whether it is mapped.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] where it never will be.
    pub fn is_there(&self) -> Result<bool, Error> {
        match self.0.load(Ordering::Acquire) {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Error::DeviceLost { reason: "rows could not be read back".into() }),
        }
    }
}

/// The bytes `[0, size)` of a buffer that is mapped.
pub(crate) fn mapped(buffer: &Buffer, size: u64) -> Result<Vec<u8>, Error> {
    let lost = |error: wgpu::MapRangeError| Error::DeviceLost { reason: error.to_string() };
    Ok(buffer.get_mapped_range(..size).map_err(lost)?.to_vec())
}

/// As [`mapped`], of one that is unmapped then.
pub(crate) fn take_mapped(buffer: &Buffer, size: u64) -> Result<Vec<u8>, Error> {
    let bytes = mapped(buffer, size)?;
    buffer.unmap();
    Ok(bytes)
}
