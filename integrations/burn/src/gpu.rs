//! The device that burn and the optimizer share.

use crate::Error;
use burn::backend::DispatchDevice;
use burn::cubecl::Device as CubeDevice;
use burn::cubecl::client::Client;
use burn::tensor::Device;
use burn::tensor::wgpu::{WgpuOptions, WgpuSetup};

/// A burn device and the wgpu device and queue under it.
///
/// burn does not say which wgpu device a [`Device`] of its own runs on, so the pair has to be
/// made together: by [`Gpu::open`], which lets burn choose the adapter, or by [`Gpu::share`],
/// which gives burn a device that exists.
#[derive(Clone)]
pub struct Gpu {
    device: Device,
    wgpu: wgpu::Device,
    queue: wgpu::Queue,
    client: Client,
}

impl std::fmt::Debug for Gpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Gpu").field(&self.device).finish()
    }
}

impl Gpu {
    /// Opens a device as burn's options say (`Device::wgpu_options()` by default takes the
    /// best GPU). Each adapter and graphics API can be opened once in a process.
    ///
    /// # Errors
    /// [`Error::Burn`] where none can be opened, or it was opened before.
    #[cfg(not(target_family = "wasm"))]
    pub fn open(options: WgpuOptions) -> Result<Self, Error> {
        let (device, setup) = options.init_with_setup().map_err(init)?;
        Self::from_parts(device, &setup)
    }

    /// As [`Gpu::open`], for browsers and asynchronous programs.
    ///
    /// # Errors
    /// As [`Gpu::open`].
    pub async fn open_async(options: WgpuOptions) -> Result<Self, Error> {
        let (device, setup) = options.init_with_setup_async().await.map_err(init)?;
        Self::from_parts(device, &setup)
    }

    /// Gives burn a wgpu device that exists. Do this once for a device, then clone the result.
    ///
    /// # Errors
    /// [`Error::Burn`] where burn cannot use it.
    pub fn share(setup: WgpuSetup, options: WgpuOptions) -> Result<Self, Error> {
        let device = options.setup(setup.clone()).init().map_err(init)?;
        Self::from_parts(device, &setup)
    }

    /// A burn device and the setup that burn returned with it, or was initialised from: for
    /// programs that did so themselves. The two must belong together; burn offers no way to
    /// check it, and buffers of one device used on another panic or fail validation in wgpu.
    ///
    /// # Errors
    /// [`Error::OtherDevice`] where the burn device is not one of wgpu.
    pub fn from_parts(device: Device, setup: &WgpuSetup) -> Result<Self, Error> {
        let device = device.without_autodiff();
        let client = match device.as_dispatch() {
            DispatchDevice::Cube(cube @ CubeDevice::Wgpu(_)) => cube.client(),
            #[allow(unreachable_patterns)] // burn's features decide which devices there are.
            _ => {
                return Err(Error::OtherDevice {
                    what: "the device".into(),
                    expected: "a wgpu device".into(),
                    found: format!("{device:?}"),
                });
            }
        };
        Ok(Self {
            device,
            wgpu: setup.device.clone(),
            queue: setup.queue.clone(),
            client,
        })
    }

    /// The burn device, without autodiff; `gpu.device().autodiff()` is the one to train on.
    pub fn device(&self) -> Device {
        self.device.clone()
    }

    /// The wgpu device under it.
    pub fn wgpu(&self) -> &wgpu::Device {
        &self.wgpu
    }

    /// The queue that burn submits to.
    pub fn queue(&self) -> &wgpu::Queue {
        &self.queue
    }

    /// Submits what burn has been told to do by this thread but still holds back.
    pub(crate) fn flush(&self) -> Result<(), Error> {
        self.client.flush().map_err(|error| Error::Burn {
            doing: "submitting its work",
            reason: error.to_string(),
        })
    }

    /// Checks that something is on this device.
    pub(crate) fn check_device(&self, what: &str, device: Device) -> Result<(), Error> {
        let found = device.without_autodiff();
        if found == self.device {
            return Ok(());
        }
        Err(Error::OtherDevice {
            what: what.into(),
            expected: format!("{:?}", self.device),
            found: format!("{found:?}"),
        })
    }
}

fn init(error: impl std::fmt::Display) -> Error {
    Error::Burn {
        doing: "opening the device",
        reason: error.to_string(),
    }
}
