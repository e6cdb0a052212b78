//! What a small engine has anyway: a device, one buffer for all tensors, kernels, a submit.

use std::error::Error;
use wgpu::{
    Adapter, AdapterInfo, Backends, BindGroup, BindGroupDescriptor, BindGroupEntry,
    BindingResource, Buffer, BufferBinding, BufferDescriptor, BufferSize, BufferSlice,
    BufferUsages, CommandEncoder, ComputePass, ComputePipeline, ComputePipelineDescriptor, Device,
    DeviceDescriptor, Instance, InstanceDescriptor, Limits, MapMode, PollType, PowerPreference,
    Queue, RequestAdapterOptions, ShaderModule,
};

/// Invocations a workgroup of every kernel.
pub const WORKGROUP: u32 = 64;

/// A device, a queue, and how often they were used.
pub struct Engine {
    pub device: Device,
    pub queue: Queue,
    adapter: AdapterInfo,
    /// Encoders submitted so far.
    pub submits: u32,
    /// Times that anything was read back: each one waits for the GPU.
    pub read_backs: u32,
}

impl Engine {
    /// Opens the adapter that `WGPU_BACKEND`, `WGPU_ADAPTER_NAME` and `WGPU_POWER_PREF` choose,
    /// with the limits that every device with compute shaders has (four storage buffers a
    /// kernel, bindings of 128 MiB) and no features.
    pub fn open() -> Result<Self, Box<dyn Error>> {
        let instance = Instance::new(InstanceDescriptor::new_without_display_handle_from_env());
        let adapter = pollster::block_on(choose(&instance))?;
        let descriptor = DeviceDescriptor {
            label: Some("engine"),
            required_limits: Limits::downlevel_defaults(),
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))?;
        Ok(Self { device, queue, adapter: adapter.get_info(), submits: 0, read_backs: 0 })
    }

    /// The adapter, in one line.
    pub fn describe(&self) -> String {
        let AdapterInfo { name, backend, driver, driver_info, .. } = &self.adapter;
        format!("{name}, {backend}, {driver} {driver_info}").trim_end().to_string()
    }

    /// Submits a frame; does not wait for it.
    pub fn submit(&mut self, encoder: CommandEncoder) {
        self.submits += 1;
        self.queue.submit([encoder.finish()]);
    }

    /// Waits for everything submitted, and reads a slice of f32 back.
    pub fn read_back(&mut self, slice: BufferSlice<'_>) -> Result<Vec<f32>, Box<dyn Error>> {
        self.read_backs += 1;
        let (label, size) = (Some("read back"), slice.size());
        let usage = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
        let descriptor = BufferDescriptor { label, size, usage, mapped_at_creation: false };
        let staging = self.device.create_buffer(&descriptor);
        let mut encoder = self.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(slice.buffer(), slice.offset(), &staging, 0, size);
        self.submit(encoder);
        let (sender, receiver) = std::sync::mpsc::channel();
        staging.map_async(MapMode::Read, .., move |result| drop(sender.send(result)));
        self.device.poll(PollType::wait_indefinitely())?;
        receiver.recv()??;
        Ok(bytemuck::pod_collect_to_vec(&staging.get_mapped_range(..)?))
    }
}

/// The first adapter with `WGPU_ADAPTER_NAME` in its name, where that is set.
async fn choose(instance: &Instance) -> Result<Adapter, Box<dyn Error>> {
    if let Ok(wanted) = std::env::var("WGPU_ADAPTER_NAME") {
        let backends = Backends::from_env().unwrap_or(Backends::all());
        let wanted = wanted.to_lowercase();
        let fits = |found: &Adapter| found.get_info().name.to_lowercase().contains(&wanted);
        let found = instance.enumerate_adapters(backends).await.into_iter().find(fits);
        return Ok(found.ok_or_else(|| format!("no adapter has {wanted:?} in its name"))?);
    }
    let power_preference = PowerPreference::from_env().unwrap_or_default();
    let options = RequestAdapterOptions { power_preference, ..Default::default() };
    Ok(instance.request_adapter(&options).await?)
}

/// One buffer, cut into slices that start at multiples of 256 bytes: what a storage binding's
/// offset must be a multiple of, on the device that demands most.
pub struct Pool {
    buffer: Buffer,
    /// First byte and bytes of each slice.
    slices: Vec<(u64, u64)>,
}

impl Pool {
    /// A pool of zeros, with slices of these many bytes (multiples of 4).
    pub fn new(device: &Device, sizes: &[u64]) -> Self {
        let mut end = 0u64;
        let mut place = |&bytes: &u64| {
            let start = end.next_multiple_of(256);
            end = start + bytes;
            (start, bytes)
        };
        let slices = sizes.iter().map(&mut place).collect();
        let buffer = device.create_buffer(&BufferDescriptor {
            label: Some("pool"),
            size: end,
            usage: BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        Self { buffer, slices }
    }

    pub fn slice(&self, number: usize) -> BufferSlice<'_> {
        let (start, bytes) = self.slices[number];
        self.buffer.slice(start..start + bytes)
    }

    /// Writes the beginning of a slice, before whatever is submitted next: so submit one frame
    /// before the next one writes.
    pub fn write<T: bytemuck::NoUninit>(&self, queue: &Queue, number: usize, contents: &[T]) {
        let (start, bytes) = self.slices[number];
        let contents: &[u8] = bytemuck::cast_slice(contents);
        assert!(contents.len() as u64 <= bytes, "slice {number} of the pool is too small");
        queue.write_buffer(&self.buffer, start, contents);
    }

    fn binding(&self, number: usize) -> BindGroupEntry<'_> {
        let (offset, bytes) = self.slices[number];
        let size = BufferSize::new(bytes);
        let buffer = BufferBinding { buffer: &self.buffer, offset, size };
        BindGroupEntry { binding: number as u32, resource: BindingResource::Buffer(buffer) }
    }
}

/// A compute pipeline, and the slices of the pool that it works on.
pub struct Kernel {
    pipeline: ComputePipeline,
    bindings: BindGroup,
}

impl Kernel {
    /// The entry point `name` of `module`, which uses these slices of the pool and no others;
    /// slice `n` is its binding `n`.
    pub fn new(
        device: &Device,
        module: &ShaderModule,
        name: &str,
        pool: &Pool,
        slices: &[usize],
    ) -> Self {
        let label = Some(name);
        let pipeline = device.create_compute_pipeline(&ComputePipelineDescriptor {
            label,
            layout: None,
            module,
            entry_point: Some(name),
            compilation_options: Default::default(),
            cache: None,
        });
        let entries: Vec<_> = slices.iter().map(|&number| pool.binding(number)).collect();
        let layout = &pipeline.get_bind_group_layout(0);
        let descriptor = BindGroupDescriptor { label, layout, entries: &entries };
        let bindings = device.create_bind_group(&descriptor);
        Self { pipeline, bindings }
    }

    /// Records at least this many invocations.
    pub fn dispatch(&self, pass: &mut ComputePass<'_>, invocations: u32) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.bindings, &[]);
        pass.dispatch_workgroups(invocations.div_ceil(WORKGROUP), 1, 1);
    }
}
