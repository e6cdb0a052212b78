//! Whether a state fits a trace: the library itself judges, on a device without hardware.

use super::Trace;
use sparse_adam::{Error, StateDict};

/// Most bytes of a parameter: wgpu's device without hardware has no more than 31 bits for them.
#[cfg(not(target_arch = "wasm32"))]
const MOST_BYTES: u64 = 1 << 30;

/// Loads `start` into an optimizer of the trace's parameters, and lets go of both.
///
/// # Errors
/// Those of [`sparse_adam::SparseAdam::load_state_dict`]; [`Error::TooLarge`].
#[cfg(not(target_arch = "wasm32"))]
pub(super) fn load(trace: &Trace, start: &StateDict) -> Result<(), Error> {
    use super::replay::add_groups;
    use sparse_adam::{AdamOptions, SparseAdam};
    use wgpu::{BufferDescriptor, BufferUsages, Device, DeviceDescriptor, Limits};

    let required_limits = Limits { max_buffer_size: MOST_BYTES, ..Limits::default() };
    let (device, queue) = Device::noop(&DeviceDescriptor { required_limits, ..Default::default() });
    for name in trace.recipe.params.keys() {
        let found = size_of_val(trace.initial(name)?) as u64;
        if found > MOST_BYTES {
            let (what, remedy) = (format!("bytes of {name:?}"), "replay it on an adapter");
            return Err(Error::TooLarge { what, found, limit: MOST_BYTES, remedy });
        }
    }
    let mut optimizer = SparseAdam::new(&device, &queue, AdamOptions::default())?;
    add_groups(trace, &mut optimizer, |name, values| {
        device.create_buffer(&BufferDescriptor {
            label: Some(name),
            size: size_of_val(values) as u64,
            usage: BufferUsages::STORAGE,
            mapped_at_creation: false,
        })
    })?;
    optimizer.load_state_dict(start)
}

/// wgpu's device without hardware would bring all of its native half into the page.
#[cfg(target_arch = "wasm32")]
pub(super) fn load(_: &Trace, _: &StateDict) -> Result<(), Error> {
    Err(Error::Unsupported {
        what: "replaying from a state on the CPU twin in a browser",
        remedy: "replay it on an adapter, or natively",
    })
}
