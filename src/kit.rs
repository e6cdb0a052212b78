//! What optimizers of one device share: the pipelines that are built.

use crate::step::pipelines::Pipelines;
use crate::{Error, Tuning, device_limits};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wgpu::{Device, PipelineCache, Queue};

/// The compute pipelines of a device and a tuning, built at their first use and shared by the
/// optimizers that are made with it ([`SparseAdam::with_kit`](crate::SparseAdam::with_kit)): a second
/// one compiles nothing.
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

    /// As [`Kit::new`], with sizes and arithmetic chosen by the caller. Results depend on the arithmetic alone.
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

    /// The sizes and the arithmetic that it was made with.
    #[must_use]
    pub fn tuning(&self) -> &Tuning {
        &self.tuning
    }

    pub(crate) fn pipelines(&self) -> MutexGuard<'_, Pipelines> {
        // A panic while a pipeline is built leaves those that are.
        self.pipelines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::rig;
    use crate::guard::world::buffer;
    use crate::{AdamOptions, Param, ParamId, SparseAdam, SparseGrad};

    /// An optimizer of `kit` with a gradient that is set.
    fn ready(kit: &Kit) -> (SparseAdam, ParamId) {
        let mut optimizer = SparseAdam::with_kit(kit, AdamOptions::default()).unwrap();
        let bytes = |size| buffer(&kit.device, size);
        let id = optimizer.add_param(Param::new("p", bytes(640), [40, 4])).unwrap();
        optimizer.set_grad(id, SparseGrad::new(bytes(12), bytes(48), 3)).unwrap();
        (optimizer, id)
    }

    fn step(kit: &Kit, optimizer: &mut SparseAdam) -> Result<(), Error> {
        let mut encoder = kit.device.create_command_encoder(&Default::default());
        optimizer.step(&mut encoder)?;
        kit.queue.submit([encoder.finish()]);
        Ok(())
    }

    /// Whoever uses a pipeline hears that it was refused, whoever built it and whether he is still there.
    #[test]
    fn a_shared_pipeline_that_is_refused_late_is_told_to_all_who_use_it() {
        for builder_stays in [true, false] {
            let (device, queue) = rig::open();
            let kit = Kit::with_tuning(&device, &queue, Tuning::CPU).unwrap();
            let (mut builder, _) = ready(&kit);
            let (mut user, id) = ready(&kit);
            let late = rig::hold_back();
            // The scratch is there already, so the first thing that is asked for is a layout, then a pipeline.
            rig::refuse_after(1);
            builder.prepare().unwrap();
            assert!(!rig::spare(), "a pipeline was refused");
            if !builder_stays {
                drop(builder);
            }
            step(&kit, &mut user).unwrap();
            assert_eq!(user.step_count(id), Ok(1));
            late.arrive();
            let heard = step(&kit, &mut user);
            assert!(matches!(heard, Err(Error::OutOfMemory { .. })), "{heard:?}");
            assert_eq!(user.step_count(id), Ok(0), "the step that did nothing is taken back");
            drop(late);
            step(&kit, &mut user).unwrap();
            assert_eq!(user.step_count(id), Ok(1));
            let (mut third, id) = ready(&kit);
            step(&kit, &mut third).unwrap();
            assert_eq!(third.step_count(id), Ok(1));
        }
    }
}
