//! Whether an optimizer takes a trace, and a state fits it: the library itself judges, on a device without hardware.

use super::Trace;
use sparse_adam::{Error, StateDict};

/// Most bytes of a parameter: wgpu's device without hardware has no more than 31 bits for them.
#[cfg(not(target_arch = "wasm32"))]
const MOST_BYTES: u64 = 1 << 30;

/// That an optimizer takes the trace's groups and parameters, as they are stored.
///
/// # Errors
/// Those of [`sparse_adam::SparseAdam::add_param_group`]; [`Error::TooLarge`].
#[cfg(not(target_arch = "wasm32"))]
pub(super) fn admit(trace: &Trace) -> Result<(), Error> {
    admitted(trace).map(drop)
}

/// Loads `start` into an optimizer of the trace's parameters, and lets go of both.
///
/// # Errors
/// Those of [`admit`] and of [`sparse_adam::SparseAdam::load_state_dict`].
#[cfg(not(target_arch = "wasm32"))]
pub(super) fn load(trace: &Trace, start: &StateDict) -> Result<(), Error> {
    admitted(trace)?.load_state_dict(start)
}

/// An optimizer of the trace's parameters.
#[cfg(not(target_arch = "wasm32"))]
fn admitted(trace: &Trace) -> Result<sparse_adam::SparseAdam, Error> {
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
    add_groups(trace, &mut optimizer, |name, words| {
        device.create_buffer(&BufferDescriptor {
            label: Some(name),
            size: size_of_val(words) as u64,
            usage: BufferUsages::STORAGE,
            mapped_at_creation: false,
        })
    })?;
    Ok(optimizer)
}

/// wgpu's device without hardware would bring all of its native half into the page.
#[cfg(target_arch = "wasm32")]
pub(super) fn admit(_: &Trace) -> Result<(), Error> {
    Err(Error::Unsupported {
        what: "replaying a trace in 16 bits on the CPU twin in a browser",
        remedy: "replay it on an adapter, or natively",
    })
}

/// As [`admit`].
#[cfg(target_arch = "wasm32")]
pub(super) fn load(_: &Trace, _: &StateDict) -> Result<(), Error> {
    Err(Error::Unsupported {
        what: "replaying from a state on the CPU twin in a browser",
        remedy: "replay it on an adapter, or natively",
    })
}
