//! Error scopes around a request, and what they hear, at once or late.

use futures::FutureExt;
use futures::future::Shared;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use wgpu::{Device, ErrorFilter, ErrorScopeGuard, WasmNotSend};

/// What an error scope will have heard; several may wait for it.
pub type Verdict = Shared<Pin<Box<dyn Hearing>>>;

/// An error scope that is still listening.
pub trait Hearing: Future<Output = Option<Arc<wgpu::Error>>> + WasmNotSend {}

impl<T: Future<Output = Option<Arc<wgpu::Error>>> + WasmNotSend> Hearing for T {}

/// Scopes for every kind of error.
#[must_use]
pub struct Scopes {
    // In the order in which they must be dropped: the reverse of that in which they are pushed.
    memory: ErrorScopeGuard,
    internal: ErrorScopeGuard,
    validation: ErrorScopeGuard,
}

/// What scopes heard, or will have heard.
pub enum Heard {
    Now(Option<Arc<wgpu::Error>>),
    Later(Verdict),
}

impl Scopes {
    pub fn push(device: &Device) -> Self {
        let validation = device.push_error_scope(ErrorFilter::Validation);
        let internal = device.push_error_scope(ErrorFilter::Internal);
        let memory = device.push_error_scope(ErrorFilter::OutOfMemory);
        Self { memory, internal, validation }
    }

    pub fn pop(self) -> Heard {
        let (memory, internal, validation) =
            (self.memory.pop(), self.internal.pop(), self.validation.pop());
        if defers() {
            let first =
                async move { memory.await.or(internal.await).or(validation.await).map(Arc::new) };
            #[cfg(test)]
            let first = super::rig::delayed(first);
            let first: Pin<Box<dyn Hearing>> = Box::pin(first);
            return Heard::Later(first.shared());
        }
        let memory = memory.now_or_never().flatten();
        let internal = internal.now_or_never().flatten();
        let validation = validation.now_or_never().flatten();
        Heard::Now(memory.or(internal).or(validation).map(Arc::new))
    }
}

/// Whether verdicts come late.
fn defers() -> bool {
    #[cfg(test)]
    if super::rig::defers() {
        return true;
    }
    cfg!(target_arch = "wasm32")
}
