//! What a device must allow, checked once.

use crate::Error;
use crate::step::layout::LARGEST;
use crate::step::stages::{MOST_BINDINGS, MOST_DYNAMIC, MOST_UNIFORMS};
use crate::step::uniforms::chunk_bytes;
use wgpu::{AdapterInfo, Backend, Device, Features, Limits};

/// What it takes to have buffers in binding arrays, and to choose among them by a number that is not known to be one for all
/// invocations of a workgroup, though it is.
pub(crate) const BINDING_ARRAYS: Features = Features::BUFFER_BINDING_ARRAY
    .union(Features::STORAGE_RESOURCE_BINDING_ARRAY)
    .union(Features::SAMPLED_TEXTURE_AND_STORAGE_BUFFER_ARRAY_NON_UNIFORM_INDEXING);

/// Features that steps are faster with, where a device has them: request those that its adapter has, with the adapter's
/// `max_binding_array_elements_per_shader_stage`. None is needed, and none changes a bit. All are for adapters that are a CPU.
///
/// - `SHADER_INT64`: rows of an even number of f32 are moved as 64-bit numbers.
/// - `BUFFER_BINDING_ARRAY`, `STORAGE_RESOURCE_BINDING_ARRAY` and
///   `SAMPLED_TEXTURE_AND_STORAGE_BUFFER_ARRAY_NON_UNIFORM_INDEXING`, all three, on llvmpipe: tables with buffers of their own, and
///   the windows of a table that exceeds a binding, are updated by one dispatch (up to 32 of them), as tables in one buffer are.
///   Elsewhere these are left alone.
///
/// ```no_run
/// # async fn open(adapter: wgpu::Adapter) -> Result<(), wgpu::RequestDeviceError> {
/// let (device, queue) = adapter
///     .request_device(&wgpu::DeviceDescriptor {
///         required_features: adapter.features() & sparse_adam::USEFUL_FEATURES,
///         required_limits: adapter.limits(),
///         ..Default::default()
///     })
///     .await?;
/// # Ok(())
/// # }
/// ```
pub const USEFUL_FEATURES: Features = Features::SHADER_INT64.union(BINDING_ARRAYS);

/// Bytes of the smallest storage buffers that every optimizer has.
pub(crate) const SMALLEST_STORAGE: u64 = 256;

/// Checks every limit that the library depends on, whatever it is asked to do. What depends on
/// tables and gradients is checked with them.
pub(crate) fn check(limits: &Limits) -> Result<(), Error> {
    let small = |limit: u32| u64::from(limit);
    let least = Limits::downlevel_defaults();
    let checks = [
        ("max_bind_groups", 1, small(limits.max_bind_groups)),
        (
            "max_bindings_per_bind_group",
            MOST_BINDINGS as u64,
            small(limits.max_bindings_per_bind_group),
        ),
        (
            "max_dynamic_uniform_buffers_per_pipeline_layout",
            MOST_DYNAMIC as u64,
            small(limits.max_dynamic_uniform_buffers_per_pipeline_layout),
        ),
        (
            "max_uniform_buffers_per_shader_stage",
            MOST_UNIFORMS as u64,
            small(limits.max_uniform_buffers_per_shader_stage),
        ),
        (
            "max_storage_buffers_per_shader_stage",
            small(least.max_storage_buffers_per_shader_stage),
            small(limits.max_storage_buffers_per_shader_stage),
        ),
        ("max_uniform_buffer_binding_size", LARGEST as u64, limits.max_uniform_buffer_binding_size),
        (
            "max_storage_buffer_binding_size",
            SMALLEST_STORAGE,
            limits.max_storage_buffer_binding_size,
        ),
        ("max_buffer_size", chunk_bytes(limits), limits.max_buffer_size),
        (
            "max_compute_workgroup_storage_size",
            small(least.max_compute_workgroup_storage_size),
            small(limits.max_compute_workgroup_storage_size),
        ),
        (
            "max_compute_invocations_per_workgroup",
            small(least.max_compute_invocations_per_workgroup),
            small(limits.max_compute_invocations_per_workgroup),
        ),
        (
            "max_compute_workgroup_size_x",
            small(least.max_compute_workgroup_size_x),
            small(limits.max_compute_workgroup_size_x),
        ),
        ("max_compute_workgroup_size_y", 1, small(limits.max_compute_workgroup_size_y)),
        ("max_compute_workgroup_size_z", 1, small(limits.max_compute_workgroup_size_z)),
        (
            "max_compute_workgroups_per_dimension",
            small(least.max_compute_workgroups_per_dimension),
            small(limits.max_compute_workgroups_per_dimension),
        ),
    ];
    for (limit, expected, found) in checks {
        if found < expected {
            return Err(Error::DeviceLimit { limit, expected, found });
        }
    }
    Ok(())
}

/// `limits` with sizes that bindings can have: multiples of 4 bytes.
pub(crate) fn usable(limits: Limits) -> Limits {
    Limits {
        max_storage_buffer_binding_size: limits.max_storage_buffer_binding_size & !3,
        max_buffer_size: limits.max_buffer_size & !3,
        ..limits
    }
}

/// A device's features without those that the library leaves alone there. naga 30 takes the length of a binding array for that of
/// the arrays in it (`binding_array_layout_size`), wherever it has to keep indices within bounds: so does wgpu on drivers without
/// `robustBufferAccess2`, which nothing tells. llvmpipe has it, and the suite runs there.
pub(crate) fn usable_features(device: &Device) -> Features {
    let AdapterInfo { backend, driver, .. } = device.adapter_info();
    match (backend, driver.as_str()) {
        (Backend::Vulkan, "llvmpipe") => device.features(),
        _ => device.features().difference(BINDING_ARRAYS),
    }
}
