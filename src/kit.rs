//! What optimizers of one device share: the pipelines that are built.

use crate::step::pipelines::Pipelines;
use crate::{Error, Tuning, device_limits};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wgpu::{Device, PipelineCache, Queue};

/// The compute pipelines of a device and a tuning, built at their first use and shared by the
/// optimizers that are made with it ([`SparseAdam::with_kit`](crate::SparseAdam::with_kit)): a second
/// one compiles nothing.
///
/// In a browser, where a device refuses only later, a pipeline that is refused is told to the optimizer
/// that built it, and not to others that use it: give each a kit of its own there.
///
/// A clone is another handle to the same pipelines. Scratch, uniforms and bind groups are each
/// optimizer's own, so that one that fails, rests or is dropped leaves the others what they have.
#[derive(Clone, Debug)]
pub struct Kit {
    pub(crate) device: Device,
    pub(crate) queue: Queue,
    tuning: Tuning,
    pipelines: Arc<Mutex<Pipelines>>,
}

impl Kit {
    /// For `device`, tuned for its adapter. Nothing is built yet.
    ///
    /// # Errors
    /// As [`Kit::with_tuning`].
    pub fn new(device: &Device, queue: &Queue) -> Result<Self, Error> {
        Self::with_tuning(device, queue, Tuning::for_adapter(&device.adapter_info()))
    }

    /// As [`Kit::new`], with the sizes chosen by the caller. Results do not depend on them.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] for the tuning; [`Error::DeviceLimit`] where the device is too small,
    /// which none with `wgpu::Limits::downlevel_defaults()` is.
    pub fn with_tuning(device: &Device, queue: &Queue, tuning: Tuning) -> Result<Self, Error> {
        tuning.validate()?;
        device_limits::check(&device.limits())?;
        Ok(Self {
            device: device.clone(),
            queue: queue.clone(),
            tuning,
            pipelines: Arc::new(Mutex::new(Pipelines::new(&tuning))),
        })
    }

    /// Pipelines built from now on are looked up in `cache` and added to it
    /// (`Device::create_pipeline_cache`; `Features::PIPELINE_CACHE`, which Vulkan has).
    #[must_use]
    pub fn pipeline_cache(self, cache: PipelineCache) -> Self {
        self.pipelines().cache = Some(cache);
        self
    }

    /// The sizes that it was made with.
    #[must_use]
    pub fn tuning(&self) -> &Tuning {
        &self.tuning
    }

    pub(crate) fn pipelines(&self) -> MutexGuard<'_, Pipelines> {
        // A panic while a pipeline is built leaves those that are.
        self.pipelines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
