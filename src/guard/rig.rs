//! Refusals and late verdicts at will, for tests on a `noop` device without limits.

use pollster::block_on;
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use wgpu::{
    BackendOptions, Backends, BufferDescriptor, BufferUsages, Device, DeviceDescriptor, Features,
    Instance, InstanceDescriptor, InstanceFlags, Limits, NoopBackendOptions, Queue,
};

thread_local! {
    static REFUSE_AFTER: Cell<Option<u32>> = const { Cell::new(None) };
    static HELD_BACK: RefCell<Option<Arc<AtomicBool>>> = const { RefCell::new(None) };
}

/// More than any machine has.
pub const TOO_MUCH: u64 = 1 << 62;

/// A `noop` device that any size may be asked of, and that panics where an error is not heard.
pub fn open() -> (Device, Queue) {
    let limits = Limits { max_buffer_size: TOO_MUCH, ..Limits::default() };
    let noop = NoopBackendOptions { limits: Some(limits.clone()), ..NoopBackendOptions::enabled() };
    let instance = Instance::new(InstanceDescriptor {
        backends: Backends::NOOP,
        // Validation of indirect calls would cut the limits to 32 bits.
        flags: InstanceFlags::empty(),
        backend_options: BackendOptions { noop, ..Default::default() },
        ..InstanceDescriptor::new_without_display_handle()
    });
    let adapter = block_on(instance.request_adapter(&Default::default())).unwrap();
    let opened = block_on(adapter.request_device(&DeviceDescriptor {
        required_features: Features::TIMESTAMP_QUERY,
        required_limits: limits,
        ..Default::default()
    }));
    let (device, queue) = opened.unwrap();
    device.on_uncaptured_error(Arc::new(|error| panic!("nobody heard: {error}")));
    (device, queue)
}

/// Refuses one request of this thread, after `requests` others.
pub fn refuse_after(requests: u32) {
    REFUSE_AFTER.set(Some(requests));
}

/// Takes a refusal back that has not come; whether there was one.
pub fn spare() -> bool {
    REFUSE_AFTER.take().is_some()
}

/// Called inside the scopes of each request: where its turn has come, the device runs out of
/// memory for real.
pub fn refuse(device: &Device) {
    let Some(left) = REFUSE_AFTER.get() else { return };
    REFUSE_AFTER.set(left.checked_sub(1));
    if left == 0 {
        drop(device.create_buffer(&BufferDescriptor {
            label: Some("more than any machine has"),
            size: TOO_MUCH,
            usage: BufferUsages::COPY_DST,
            mapped_at_creation: false,
        }));
    }
}

/// From now on verdicts of this thread come as late as a browser's: once [`Late::arrive`] is called.
pub fn hold_back() -> Late {
    let arrived = Arc::new(AtomicBool::new(false));
    HELD_BACK.set(Some(Arc::clone(&arrived)));
    Late(arrived)
}

/// Verdicts that are held back.
pub struct Late(Arc<AtomicBool>);

impl Late {
    pub fn arrive(&self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        HELD_BACK.set(None);
    }
}

pub fn defers() -> bool {
    HELD_BACK.with_borrow(Option::is_some)
}

/// `verdict`, once it may be told.
pub fn delayed<T>(verdict: impl Future<Output = T>) -> impl Future<Output = T> {
    let told = HELD_BACK.with_borrow(Option::clone).unwrap_or_default();
    async move {
        let ready = || if told.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending };
        poll_fn(|_| ready()).await;
        verdict.await
    }
}
