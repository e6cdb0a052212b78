//! A device whose every answer is heard.
//!
//! wgpu tells what it refuses to error scopes, and where there is none, to the engine's handler. A
//! lost device tells nobody: what it makes does nothing. So whatever this library makes, writes or
//! submits, it does in here, inside scopes of its own, and each of its calls first asks whether the
//! device lives. No handler or callback is installed: those belong to the engine.
//!
//! Natively a verdict is there at once. In a browser it is a promise: the object is used on trust, and
//! the next calls look at the promise ([`Guard::refused`]).

#[cfg(test)]
mod bits;
#[cfg(test)]
mod campaign;
#[cfg(test)]
mod moved;
mod pulse;
#[cfg(test)]
pub(crate) mod rig;
mod scopes;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod world;

use crate::{Cause, Error};
use futures::FutureExt;
use pulse::Pulse;
use scopes::{Heard, Scopes, Verdict};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use wgpu::{
    Buffer, BufferDescriptor, BufferUsages, Device, ErrorFilter, PollError, PollStatus, PollType,
    Queue,
};

/// A device, its queue, and the verdicts that are still to come.
#[derive(Debug)]
pub(crate) struct Guard {
    pub device: Device,
    pub queue: Queue,
    max_buffer: u64,
    late: Mutex<Vec<Late>>,
    /// The last refusal that was taken back, and how many there were.
    forgotten: Mutex<(u64, Option<Error>)>,
    pulse: Pulse,
}

/// A verdict that was not there at once, and what it is about.
#[derive(Clone, Debug)]
pub(crate) struct Asked(Verdict, Made);

impl Asked {
    /// Whether it was refused; None while nobody has heard.
    pub fn is_refused(&self) -> Option<bool> {
        let mut context = Context::from_waker(Waker::noop());
        match self.0.clone().poll_unpin(&mut context) {
            Poll::Pending => None,
            Poll::Ready(refused) => Some(refused.is_some()),
        }
    }
}

/// A verdict that was not there at once.
#[derive(Debug)]
enum Late {
    Open(Asked),
    Refused(Error),
}

/// What was asked of the device, for errors.
#[derive(Clone, Copy, Debug)]
struct Made {
    what: &'static str,
    bytes: u64,
}

impl Guard {
    pub fn new(device: &Device, queue: &Queue) -> Self {
        Self {
            device: device.clone(),
            queue: queue.clone(),
            max_buffer: device.limits().max_buffer_size,
            late: Mutex::default(),
            forgotten: Mutex::default(),
            pulse: Pulse::default(),
        }
    }

    /// Does `make`, which asks the device for `what` of `bytes` bytes.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], [`Error::Refused`], [`Error::DeviceLost`], where the device says so
    /// at once.
    pub fn make<T>(
        &self,
        what: &'static str,
        bytes: u64,
        make: impl FnOnce(&Device) -> T,
    ) -> Result<T, Error> {
        let mut asked = Vec::new();
        let value = self.make_asking(what, bytes, &mut asked, make)?;
        asked.into_iter().for_each(|asked| self.hear_late(asked));
        Ok(value)
    }

    /// Makes a verdict one of those that [`Guard::refused`] looks at.
    pub fn hear_late(&self, asked: Asked) {
        self.late().push(Late::Open(asked));
    }

    /// As [`Guard::make`], but the verdict, where it comes late, is the caller's to await: it is put
    /// behind those that he has.
    ///
    /// # Errors
    /// As [`Guard::make`].
    pub fn make_asking<T>(
        &self,
        what: &'static str,
        bytes: u64,
        asked: &mut Vec<Asked>,
        make: impl FnOnce(&Device) -> T,
    ) -> Result<T, Error> {
        let made = Made { what, bytes };
        let (value, heard) = self.hear(make);
        match heard {
            Heard::Now(None) => Ok(value),
            Heard::Now(Some(error)) => Err(self.named(error, made)),
            Heard::Later(verdict) => {
                asked.push(Asked(verdict, made));
                Ok(value)
            }
        }
    }

    /// Awaits a verdict.
    ///
    /// # Errors
    /// As [`Guard::make`].
    pub async fn answer(&self, Asked(verdict, made): Asked) -> Result<(), Error> {
        verdict.await.map_or(Ok(()), |error| Err(self.named(error, made)))
    }

    fn hear<T>(&self, make: impl FnOnce(&Device) -> T) -> (T, Heard) {
        let scopes = Scopes::push(&self.device);
        let value = make(&self.device);
        #[cfg(test)]
        rig::refuse(&self.device);
        (value, scopes.pop())
    }

    /// Makes a zeroed buffer.
    ///
    /// # Errors
    /// As [`Guard::make`]; [`Error::TooLarge`].
    pub fn buffer(
        &self,
        what: &'static str,
        size: u64,
        usage: BufferUsages,
    ) -> Result<Buffer, Error> {
        if size > self.max_buffer {
            let remedy = "request a larger max_buffer_size, or take fewer rows or entries at once";
            let (what, limit) = (format!("bytes of {what}"), self.max_buffer);
            return Err(Error::TooLarge { what, found: size, limit, remedy });
        }
        let label = Some(what);
        let descriptor = BufferDescriptor { label, size, usage, mapped_at_creation: false };
        self.make(what, size, |device| device.create_buffer(&descriptor))
    }

    /// Makes a zeroed buffer that kernels bind and copies reach.
    ///
    /// # Errors
    /// As [`Guard::buffer`].
    pub fn storage(&self, what: &'static str, size: u64) -> Result<Buffer, Error> {
        let copied = BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
        self.buffer(what, size, BufferUsages::STORAGE | copied)
    }

    /// Whether the device still answers. It costs half a microsecond (2.4 beside an llvmpipe that
    /// has just had the caches to itself) and waits for nothing; in a
    /// browser the answer is that of an earlier call.
    ///
    /// # Errors
    /// [`Error::DeviceLost`].
    pub fn alive(&self) -> Result<(), Error> {
        let lost = if cfg!(target_arch = "wasm32") {
            self.pulse.has_stopped(&self.device)
        } else {
            is_lost(&self.device)
        };
        if lost { Err(lost_while("it answers no call")) } else { Ok(()) }
    }

    /// Whether something that was made on trust has been refused since; asked again, it answers
    /// the same until [`Guard::forget`].
    ///
    /// # Errors
    /// As [`Guard::make`].
    pub fn refused(&self) -> Result<(), Error> {
        let mut late = self.late();
        late.retain_mut(|entry| {
            if let Late::Open(Asked(verdict, made)) = entry {
                match verdict.poll_unpin(&mut Context::from_waker(Waker::noop())) {
                    Poll::Pending => return true,
                    Poll::Ready(None) => return false,
                    Poll::Ready(Some(error)) => *entry = Late::Refused(self.named(error, *made)),
                }
            }
            true
        });
        let refused = late.iter().find_map(|entry| match entry {
            Late::Refused(error) => Some(error.clone()),
            Late::Open(..) => None,
        });
        refused.map_or(Ok(()), Err)
    }

    /// Whether verdicts are still to come.
    pub fn is_open(&self) -> bool {
        !self.late().is_empty()
    }

    /// Forgets all verdicts, with what they were about, because of one of them.
    pub fn forget(&self, refusal: Error) {
        self.late().clear();
        let mut forgotten = locked(&self.forgotten);
        *forgotten = (forgotten.0 + 1, Some(refusal));
    }

    /// How often verdicts have been forgotten.
    pub fn times_forgotten(&self) -> u64 {
        locked(&self.forgotten).0
    }

    /// As [`Guard::refused`], also of what has been forgotten after so many `times`.
    ///
    /// # Errors
    /// As [`Guard::make`].
    pub fn refused_since(&self, times: u64) -> Result<(), Error> {
        self.refused()?;
        let forgotten = locked(&self.forgotten);
        match &*forgotten {
            (now, Some(refusal)) if *now != times => Err(refusal.clone()),
            _ => Ok(()),
        }
    }

    fn late(&self) -> MutexGuard<'_, Vec<Late>> {
        locked(&self.late)
    }

    fn named(&self, error: Arc<wgpu::Error>, Made { what, bytes }: Made) -> Error {
        let (what, reason) = (what.to_string(), reason(&error));
        let out_of_memory = matches!(*error, wgpu::Error::OutOfMemory { .. });
        let source = Cause::of_device(error);
        match out_of_memory {
            true => Error::OutOfMemory { what, bytes, reason, source },
            _ if self.alive().is_err() => lost_while(&format!("making {what}: {reason}")),
            false => Error::Refused { what, reason, source },
        }
    }
}

/// What no panic leaves half done.
fn locked<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Polls a device as [`Device::poll`] does, and tells of what that has no error for: wgpu 30 panics where a wait finds the device
/// lost, and through GL it gives up after 2.1 s, whatever it was asked for; that is waited on, and so is any `timeout`.
///
/// Callbacks run in here, and in [`Queue::submit`](wgpu::Queue::submit): of everything that the device has done, whoever asked for it.
///
/// # Errors
/// [`Error::DeviceLost`].
pub fn poll_device(device: &Device, how: PollType) -> Result<(), Error> {
    until_told(|| unless_fatal(|| device.poll(how.clone())))
}

fn until_told(
    mut poll: impl FnMut() -> Result<Result<PollStatus, PollError>, Error>,
) -> Result<(), Error> {
    loop {
        match poll()? {
            Ok(_) => return Ok(()),
            Err(PollError::Timeout) => {}
            Err(error) => return Err(lost_while(&format!("waiting for it: {error}"))),
        }
    }
}

/// wgpu 30 panics where the wait itself finds the device gone (`Device::poll` has no error for
/// it). Panics of callbacks, which run in there too, go on.
fn unless_fatal<T>(wait: impl FnOnce() -> T) -> Result<T, Error> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(wait)).map_err(|payload| {
        let owned = payload.downcast_ref::<String>().map(String::as_str);
        match owned.or_else(|| payload.downcast_ref::<&str>().copied()) {
            Some(text) if text.starts_with("Error in Device::poll") => lost_while(text),
            _ => std::panic::resume_unwind(payload),
        }
    })
}

/// Natively: whether a device is lost. One that lives refuses a buffer that has no use; one that is
/// lost says nothing to any call.
pub(crate) fn is_lost(device: &Device) -> bool {
    let scope = device.push_error_scope(ErrorFilter::Validation);
    let usage = BufferUsages::empty();
    drop(device.create_buffer(&BufferDescriptor {
        label: None,
        size: 4,
        usage,
        mapped_at_creation: false,
    }));
    // Natively the verdict is there at once.
    scope.pop().now_or_never().flatten().is_none()
}

pub(crate) fn lost_while(reason: &str) -> Error {
    Error::DeviceLost { reason: reason.to_string() }
}

/// What a device said, in one line.
pub(crate) fn reason(error: &wgpu::Error) -> String {
    let text = error.to_string();
    let headings = ["Validation Error", "Caused by:", ""];
    let said = text.lines().map(str::trim).filter(|line| !headings.contains(line));
    said.collect::<Vec<_>>().join(": ")
}
