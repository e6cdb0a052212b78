//! Whether a device lives, where no call tells: in a browser.

use super::scopes::Scopes;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};
use wgpu::{Buffer, BufferDescriptor, BufferUsages, Device, MapMode};

/// A browser's device says that it is lost only to its lost callback, which belongs to the engine,
/// and to whoever maps memory. So four bytes are mapped again and again, one request at a time.
#[derive(Debug, Default)]
pub struct Pulse {
    mapped: OnceLock<Buffer>,
    state: Arc<AtomicU8>,
}

/// The device was asked. (At 0, where a pulse starts, it was not.)
const ASKED: u8 = 1;
/// It has answered: the bytes are mapped.
const BEAT: u8 = 2;
/// It has refused to.
const STOPPED: u8 = 3;

impl Pulse {
    /// Whether an earlier request was refused; asks anew where none is on its way.
    pub fn has_stopped(&self, device: &Device) -> bool {
        // What the requests themselves run into is told by the answer.
        let scopes = Scopes::push(device);
        let stopped = self.ask(device);
        drop(scopes.pop());
        stopped
    }

    fn ask(&self, device: &Device) -> bool {
        let mapped = self.mapped.get_or_init(|| {
            device.create_buffer(&BufferDescriptor {
                label: Some("sparse_adam::pulse"),
                size: 4,
                usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        });
        match self.state.load(Ordering::Acquire) {
            STOPPED => return true,
            ASKED => return false,
            BEAT => mapped.unmap(),
            _ => {}
        }
        self.state.store(ASKED, Ordering::Release);
        let state = Arc::clone(&self.state);
        mapped.map_async(MapMode::Read, .., move |answer| {
            state.store(if answer.is_ok() { BEAT } else { STOPPED }, Ordering::Release);
        });
        // A device that is known to be lost may refuse at once.
        self.state.load(Ordering::Acquire) == STOPPED
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        if let Some(mapped) = self.mapped.get() {
            mapped.destroy();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wgpu::{DeviceDescriptor, PollType};

    #[test]
    fn a_pulse_beats_until_the_device_is_lost() {
        let (device, _queue) = Device::noop(&DeviceDescriptor::default());
        let pulse = Pulse::default();
        for _ in 0..3 {
            assert!(!pulse.has_stopped(&device));
            assert_eq!(pulse.state.load(Ordering::Acquire), ASKED);
            // One request at a time.
            assert!(!pulse.has_stopped(&device));
            device.poll(PollType::Poll).unwrap();
            assert_eq!(pulse.state.load(Ordering::Acquire), BEAT);
        }
        device.destroy();
        device.poll(PollType::Poll).unwrap();
        pulse.has_stopped(&device);
        assert!(pulse.has_stopped(&device));
        assert_eq!(pulse.state.load(Ordering::Acquire), STOPPED);
    }
}
