//! A device of one's own: open, upload, submit, read back.
//!
//! The optimizer itself does none of this but for reading back; an engine has a device already.

mod choice;
mod kits;
mod readback;
mod scopes;

use bytemuck::Pod;
use choice::{choose, instance, listed, named, wanted_name};
use futures::channel::oneshot;
use kits::Kits;
use scopes::Asked;
use sparse_adam::{AdamOptions, Error, Probe, Region, SparseAdam, Tuning, USEFUL_FEATURES};
use wgpu::{
    Adapter, AdapterInfo, Buffer, BufferDescriptor, BufferUsages, COPY_BUFFER_ALIGNMENT,
    CommandEncoder, CommandEncoderDescriptor, Device, DeviceDescriptor, Features, Limits, PollType,
    Queue,
};

/// Usages of every buffer made here.
const USAGES: BufferUsages =
    BufferUsages::STORAGE.union(BufferUsages::COPY_SRC).union(BufferUsages::COPY_DST);

/// What every device is opened with, where it is there. The second lets CPU adapters move rows eight bytes at a time.
const OWN_FEATURES: Features = Features::TIMESTAMP_QUERY.union(USEFUL_FEATURES);

/// Any will do: a device that is wrong in one case of thousands is wrong in some of every draw.
const PROBE_SEED: u64 = 1;

/// A device and its queue.
#[derive(Clone, Debug)]
pub struct Gpu {
    /// What the adapter is.
    pub info: AdapterInfo,
    /// The device.
    pub device: Device,
    /// Its queue.
    pub queue: Queue,
    /// What its float arithmetic was found to do, where it was tried.
    pub probe: Option<Probe>,
    kits: Kits,
}

impl Gpu {
    /// A device that is open already, and whose arithmetic nobody has tried.
    #[must_use]
    pub fn new(device: Device, queue: Queue) -> Self {
        Self { info: device.adapter_info(), device, queue, probe: None, kits: Kits::default() }
    }

    /// The same, with its arithmetic tried ([`Probe::run`]).
    ///
    /// # Errors
    /// Those of [`Probe::run`].
    pub async fn probed(self) -> Result<Self, Error> {
        let probe = Some(Probe::run(&self.device, &self.queue, PROBE_SEED).await?);
        Ok(Self { probe, ..self })
    }

    /// Whether results with this tuning must have the bits of the CPU twin: as the probe found, or false
    /// where there was none.
    #[must_use]
    pub fn has_bits_of_twin(&self, tuning: &Tuning) -> bool {
        self.probe.is_some_and(|probe| probe.has_bits_of_twin(tuning.arithmetic))
    }

    /// An optimizer on the device, with the pipelines of earlier ones of its tuning.
    ///
    /// # Errors
    /// Those of [`SparseAdam::with_tuning`].
    pub fn optimizer(&self, defaults: AdamOptions, tuning: Tuning) -> Result<SparseAdam, Error> {
        SparseAdam::with_kit(&self.kits.get(&self.device, &self.queue, tuning)?, defaults)
    }

    /// Opens the adapter that `WGPU_BACKEND`, `WGPU_ADAPTER_NAME` (a part of the name) and
    /// `WGPU_POWER_PREF` choose, with all its limits.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] where none fits; [`Error::DeviceLost`] where it cannot be opened.
    pub async fn open() -> Result<Self, Error> {
        let adapter = choose(&instance()).await?;
        let limits = adapter.limits();
        Self::open_adapter(adapter, limits, OWN_FEATURES).await
    }

    /// As [`Gpu::open`], with the first adapter whose name contains `name`, whatever its case,
    /// in place of `WGPU_ADAPTER_NAME`.
    ///
    /// # Errors
    /// As [`Gpu::open`].
    pub async fn open_named(name: &str) -> Result<Self, Error> {
        let adapter = named(&instance(), name).await?;
        let limits = adapter.limits();
        Self::open_adapter(adapter, limits, OWN_FEATURES).await
    }

    /// As [`Gpu::open`], with those of `features` too that the adapter has.
    ///
    /// # Errors
    /// As [`Gpu::open`].
    pub async fn open_with_features(features: Features) -> Result<Self, Error> {
        let adapter = choose(&instance()).await?;
        let limits = adapter.limits();
        Self::open_adapter(adapter, limits, features).await
    }

    /// As [`Gpu::open`], with `limits` in place of the adapter's.
    ///
    /// # Errors
    /// As [`Gpu::open`].
    pub async fn open_with_limits(limits: Limits) -> Result<Self, Error> {
        Self::open_adapter(choose(&instance()).await?, limits, OWN_FEATURES).await
    }

    /// Opens every adapter that `WGPU_BACKEND` and `WGPU_ADAPTER_NAME` admit and that can
    /// compute. Where there is no way to list them (a browser), the default one.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] where there is none; [`Error::DeviceLost`] where one cannot be opened.
    pub async fn open_all() -> Result<Vec<Self>, Error> {
        let mut opened = Vec::new();
        for adapter in listed(&instance(), &wanted_name().unwrap_or_default()).await {
            let limits = adapter.limits();
            if limits.max_compute_workgroups_per_dimension > 0 {
                opened.push(Self::open_adapter(adapter, limits, OWN_FEATURES).await?);
            }
        }
        if opened.is_empty() {
            opened.push(Self::open().await?);
        }
        Ok(opened)
    }

    async fn open_adapter(
        adapter: Adapter,
        limits: Limits,
        features: Features,
    ) -> Result<Self, Error> {
        let info = adapter.get_info();
        let descriptor = DeviceDescriptor {
            label: Some("sparse_adam_testkit::headless"),
            required_features: adapter.features() & (OWN_FEATURES | features),
            required_limits: limits,
            ..Default::default()
        };
        match adapter.request_device(&descriptor).await {
            Ok((device, queue)) => Self { info, ..Self::new(device, queue) }.probed().await,
            Err(error) => {
                Err(Error::DeviceLost { reason: format!("opening {}: {error}", info.name) })
            }
        }
    }

    /// The adapter's name, backend and driver, in one line.
    pub fn describe(&self) -> String {
        let AdapterInfo { name, backend, driver, driver_info, .. } = &self.info;
        format!("{name}, {backend}, {driver} {driver_info}").trim_end().to_string()
    }

    /// A storage buffer that holds `contents`. Where the device has no memory for it, wgpu tells the
    /// device's error handler.
    pub fn upload<T: Pod>(&self, label: &str, contents: &[T]) -> Buffer {
        let contents: &[u8] = bytemuck::cast_slice(contents);
        let unit = COPY_BUFFER_ALIGNMENT as usize;
        let buffer = self.zeroed(label, contents.len().next_multiple_of(unit) as u64);
        let (whole, rest) = contents.split_at(contents.len() / unit * unit);
        let mut last = [0; COPY_BUFFER_ALIGNMENT as usize];
        last[..rest.len()].copy_from_slice(rest);
        // On a lost device the buffer is none: whoever uses it is told that the device is lost.
        let asked = Asked { what: "upload", bytes: whole.len() as u64 };
        let _ = scopes::make(&self.device, asked, || {
            if !whole.is_empty() {
                self.queue.write_buffer(&buffer, 0, whole);
            }
            if !rest.is_empty() {
                self.queue.write_buffer(&buffer, whole.len() as u64, &last);
            }
        });
        buffer
    }

    /// A storage buffer of `bytes` zero bytes. Where the device has no memory for it, wgpu tells the
    /// device's error handler.
    pub fn zeroed(&self, label: &str, bytes: u64) -> Buffer {
        self.device.create_buffer(&BufferDescriptor {
            label: Some(label),
            size: bytes,
            usage: USAGES,
            mapped_at_creation: false,
        })
    }

    /// Records with `record`, and submits what it recorded.
    ///
    /// # Errors
    /// Those of `record`, and then nothing is submitted, but for [`Error::AfterStep`], of which the
    /// step is recorded and counted; [`Error::DeviceLost`]; natively [`Error::Refused`] and
    /// [`Error::OutOfMemory`], where the device does not take what was recorded.
    pub fn submit<R>(
        &self,
        record: impl FnOnce(&mut CommandEncoder) -> Result<R, Error>,
    ) -> Result<R, Error> {
        scopes::alive(&self.device)?;
        let label = Some("sparse_adam_testkit::headless");
        let mut encoder = self.device.create_command_encoder(&CommandEncoderDescriptor { label });
        let recorded = record(&mut encoder);
        if !matches!(recorded, Ok(_) | Err(Error::AfterStep { .. })) {
            return recorded;
        }
        let submit = || self.queue.submit([encoder.finish()]);
        if cfg!(target_arch = "wasm32") {
            // The verdict would come late, and nobody would look at it but the device's handler.
            submit();
        } else {
            let asked = Asked { what: "the commands that were recorded", bytes: 0 };
            scopes::make(&self.device, asked, submit)?;
        }
        recorded
    }

    /// Waits until the device has done everything submitted. In a browser it returns at once.
    ///
    /// # Errors
    /// [`Error::DeviceLost`].
    pub fn wait(&self) -> Result<(), Error> {
        scopes::alive(&self.device)?;
        sparse_adam::poll_device(&self.device, PollType::wait_indefinitely())
    }

    /// Resolves once the device has done everything submitted so far: what [`Gpu::wait`] cannot
    /// do in a browser. Natively it waits.
    ///
    /// # Errors
    /// [`Error::DeviceLost`].
    pub async fn finished(&self) -> Result<(), Error> {
        scopes::alive(&self.device)?;
        let (sender, receiver) = oneshot::channel();
        // The receiver is only gone if this future was dropped: then nobody wants to know.
        self.queue.on_submitted_work_done(move || {
            let _ = sender.send(());
        });
        self.wait()?;
        receiver
            .await
            .map_err(|error| Error::DeviceLost { reason: format!("waiting for it: {error}") })
    }

    /// Reads a region back, after everything submitted so far. Its buffer needs
    /// `BufferUsages::COPY_SRC`.
    ///
    /// # Errors
    /// [`Error::MissingUsage`]; [`Error::Unsupported`] where the region does not hold whole values,
    /// or ends in the last bytes of a buffer whose size is no multiple of 4;
    /// [`Error::InvalidBuffer`], [`Error::OutOfMemory`], [`Error::DeviceLost`].
    pub async fn read<T: Pod>(&self, region: impl Into<Region>) -> Result<Vec<T>, Error> {
        let region = region.into();
        if !region.size().is_multiple_of(size_of::<T>() as u64) {
            return Err(Error::Unsupported {
                what: "reading a region whose size is no multiple of a value's",
                remedy: "read bytes (u8), or cut the region to whole values",
            });
        }
        Ok(bytemuck::pod_collect_to_vec(&readback::read(self, &region).await?))
    }
}
