//! Everything that a device says to what is made, written or submitted here: heard in error scopes,
//! so that the device's own handler is left alone.

use futures::FutureExt;
use sparse_adam::Error;
use std::future::Future;
use wgpu::{BufferDescriptor, BufferUsages, Device, ErrorFilter, WasmNotSend};

/// What was asked of a device, for errors.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    pub what: &'static str,
    pub bytes: u64,
}

/// Does `make`, and says what the device says at once. In a browser that is nothing.
///
/// # Errors
/// [`Error::OutOfMemory`], [`Error::Refused`], [`Error::DeviceLost`].
pub(super) fn make<T>(device: &Device, asked: Asked, make: impl FnOnce() -> T) -> Result<T, Error> {
    let (value, verdict) = hear(device, make);
    match verdict.now_or_never().flatten() {
        None => Ok(value),
        Some(error) => Err(named(device, &error, asked)),
    }
}

/// As [`make`], but waits for what the device says where that comes late.
///
/// # Errors
/// As [`make`].
pub(super) async fn make_now<T>(
    device: &Device,
    asked: Asked,
    make: impl FnOnce() -> T,
) -> Result<T, Error> {
    let (value, verdict) = hear(device, make);
    match verdict.await {
        None => Ok(value),
        Some(error) => Err(named(device, &error, asked)),
    }
}

/// Does `make` inside a scope for every kind of error.
fn hear<T, F: FnOnce() -> T>(
    device: &Device,
    make: F,
) -> (T, impl Future<Output = Option<wgpu::Error>> + WasmNotSend + use<T, F>) {
    let validation = device.push_error_scope(ErrorFilter::Validation);
    let internal = device.push_error_scope(ErrorFilter::Internal);
    let memory = device.push_error_scope(ErrorFilter::OutOfMemory);
    let value = make();
    // In the reverse of the order in which they were pushed.
    let memory = memory.pop();
    let internal = internal.pop();
    let validation = validation.pop();
    let first = async move {
        let (memory, internal, validation) = (memory.await, internal.await, validation.await);
        memory.or(internal).or(validation)
    };
    (value, first)
}

fn named(device: &Device, error: &wgpu::Error, Asked { what, bytes }: Asked) -> Error {
    let (what, reason, source) = (what.to_string(), reason(error), None);
    match error {
        wgpu::Error::OutOfMemory { .. } => Error::OutOfMemory { what, bytes, reason, source },
        _ if alive(device).is_err() => lost_while(&format!("making {what}: {reason}")),
        _ => Error::Refused { what, reason, source },
    }
}

/// What a device said, in one line.
fn reason(error: &wgpu::Error) -> String {
    let text = error.to_string();
    let headings = ["Validation Error", "Caused by:", ""];
    let said = text.lines().map(str::trim).filter(|line| !headings.contains(line));
    said.collect::<Vec<_>>().join(": ")
}

pub(super) fn lost_while(reason: &str) -> Error {
    Error::DeviceLost { reason: reason.to_string() }
}

/// Natively, whether the device still answers: one that lives refuses a buffer that has no use,
/// one that is lost says nothing to any call. A browser's tells only its own lost callback.
///
/// # Errors
/// [`Error::DeviceLost`].
pub(super) fn alive(device: &Device) -> Result<(), Error> {
    if cfg!(target_arch = "wasm32") {
        return Ok(());
    }
    let useless = || {
        let usage = BufferUsages::empty();
        let descriptor =
            BufferDescriptor { label: None, size: 4, usage, mapped_at_creation: false };
        drop(device.create_buffer(&descriptor));
    };
    let (_, verdict) = hear(device, useless);
    match verdict.now_or_never().flatten() {
        Some(_) => Ok(()),
        None => Err(lost_while("it answers no call")),
    }
}
