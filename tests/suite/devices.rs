//! Devices that are lost or small, and buffers that cannot be used: an error, nothing counted, and not a
//! word to the engine's error handler. (What happens where memory runs out, `src/guard/tests.rs` tells.)

mod buffers;
mod limits;
mod lost;

use pollster::block_on;
use sparse_adam_testkit::headless::Gpu;
use wgpu::{
    BackendOptions, Backends, Buffer, BufferDescriptor, BufferUsages, DeviceDescriptor, Instance,
    InstanceDescriptor, Limits, NoopBackendOptions,
};

/// A `noop` device with `limits`. Errors that nobody hears make it panic.
fn noop(limits: Limits) -> Gpu {
    let [gpu] = noops(limits);
    gpu
}

/// `noop` devices of one instance: of another one's buffers wgpu itself does not know that they are.
fn noops<const N: usize>(required_limits: Limits) -> [Gpu; N] {
    let noop = NoopBackendOptions::enabled();
    let instance = Instance::new(InstanceDescriptor {
        backends: Backends::NOOP,
        backend_options: BackendOptions { noop, ..Default::default() },
        ..InstanceDescriptor::new_without_display_handle()
    });
    let adapter = block_on(instance.request_adapter(&Default::default())).unwrap();
    let required_features = wgpu::Features::TIMESTAMP_QUERY;
    let descriptor = DeviceDescriptor { required_limits, required_features, ..Default::default() };
    [(); N].map(|()| {
        let (device, queue) = block_on(adapter.request_device(&descriptor)).unwrap();
        Gpu::new(device, queue)
    })
}

fn buffer(gpu: &Gpu, size: u64, usage: BufferUsages) -> Buffer {
    let label = Some("of a test");
    gpu.device.create_buffer(&BufferDescriptor { label, size, usage, mapped_at_creation: false })
}

fn storage(gpu: &Gpu, size: u64) -> Buffer {
    buffer(gpu, size, BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST)
}
