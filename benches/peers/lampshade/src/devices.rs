//! A device as lampshade likes it.

use sparse_adam_testkit::headless::Gpu;
use std::error::Error;
use wgpu::{AdapterInfo, Backends, DeviceDescriptor, Features, Instance, InstanceDescriptor};

/// The adapter of `info`, opened once more: with subgroups where it has them, without which
/// lampshade does not choose its fastest kernels.
pub fn with_subgroups(info: &AdapterInfo) -> Result<Gpu, Box<dyn Error>> {
    let instance = Instance::new(InstanceDescriptor::new_without_display_handle_from_env());
    let backends = Backends::from_env().unwrap_or(Backends::all());
    let listed = pollster::block_on(instance.enumerate_adapters(backends));
    let adapter = listed.into_iter().find(|adapter| adapter.get_info() == *info);
    let adapter = adapter.ok_or("the adapter cannot be found a second time")?;
    let descriptor = DeviceDescriptor {
        label: Some("lampshade"),
        required_features: adapter.features() & (Features::SUBGROUP | Features::TIMESTAMP_QUERY),
        required_limits: adapter.limits(),
        ..Default::default()
    };
    let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))?;
    Ok(Gpu { info: info.clone(), device, queue })
}
