//! What a device's float arithmetic does.

mod cases;
mod judge;

use crate::guard::Guard;
use crate::readback::{Reading, Wait};
use crate::{Arithmetic, Error, Region, upload};
use cases::{CASES, Case};
use std::fmt;
use std::sync::Arc;
use wgpu::util::DeviceExt;
use wgpu::{
    BindGroupDescriptor, BindGroupEntry, Buffer, BufferUsages, CommandEncoderDescriptor,
    ComputePassDescriptor, ComputePipelineDescriptor, Device, PipelineCompilationOptions, Queue,
    ShaderModuleDescriptor, ShaderSource, WasmNotSend,
};

const LABEL: &str = "sparse_adam::probe";

/// Operations that are tried, each in both ways.
const OPERATIONS: usize = 8;

/// What a device's float arithmetic was found to do, over [`Findings::cases`] random cases.
///
/// ```no_run
/// # async fn example(device: wgpu::Device, queue: wgpu::Queue) -> Result<(), sparse_adam::Error> {
/// let probe = sparse_adam::Probe::run(&device, &queue, 0).await?;
/// println!("{}: {}", probe.has_bits_of_twin(sparse_adam::Arithmetic::Exact), probe.fenced);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Probe {
    /// Of the device's own operations, which [`Arithmetic::Fast`] uses.
    pub plain: Findings,
    /// Of those of [`Arithmetic::Exact`].
    pub fenced: Findings,
}

/// Results that were not those of IEEE 754 in f32, rounded to nearest, ties to even. All are counts of
/// cases but the two distances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Findings {
    /// Cases tried.
    pub cases: u32,
    /// Sums, differences and products of normal numbers with another result.
    pub misrounded: u32,
    /// `y * z + x` with the bits of one rounding where two give others.
    pub fused: u32,
    /// `((x + y) + z) + w` and `y * z + x` with other bits, not counted above.
    pub reordered: u32,
    /// `(x + y) - x` that gave `y`. Mesa's compilers do that; no step subtracts what it has just added,
    /// so [`Findings::is_exact`] does not ask.
    pub folded: u32,
    /// Single operations with another result because a subnormal operand or result was not kept.
    pub flushed: u32,
    /// Single operations whose result should have been infinite or not a number and was not, or the reverse.
    pub not_finite: u32,
    /// Largest distance of a quotient of normal numbers, in units in the last place.
    pub quotient_ulp: u32,
    /// Largest distance of a root of a normal number, in units in the last place.
    pub root_ulp: u32,
}

impl Findings {
    /// Whether results on normal numbers have the bits of IEEE 754.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        let Self { misrounded, fused, reordered, quotient_ulp, root_ulp, .. } = *self;
        [misrounded, fused, reordered, quotient_ulp, root_ulp] == [0; 5]
    }

    /// Whether subnormal numbers are kept as operands and as results.
    #[must_use]
    pub fn keeps_subnormals(&self) -> bool {
        self.flushed == 0
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { misrounded, fused, reordered, folded, flushed, not_finite, .. } = *self;
        let counted = [
            (misrounded, "sums, differences or products not rounded to nearest"),
            (fused, "products fused into sums"),
            (reordered, "sums reordered"),
            (folded, "differences folded"),
            (flushed, "subnormal numbers flushed"),
            (not_finite, "infinities or NaN lost or made"),
        ];
        let mut held = Vec::new();
        for (count, what) in counted.into_iter().filter(|(count, _)| *count > 0) {
            held.push(format!("{count} {what}"));
        }
        let distances = [(self.quotient_ulp, "quotients"), (self.root_ulp, "roots")];
        for (distance, what) in distances.into_iter().filter(|(distance, _)| *distance > 0) {
            held.push(format!("{what} up to {distance} ULP off"));
        }
        match held.is_empty() {
            true => write!(f, "IEEE 754 in {} cases", self.cases),
            false => write!(f, "{} (of {} cases)", held.join(", "), self.cases),
        }
    }
}

impl Probe {
    /// Tries each operation in 65,536 cases (fewer where no binding holds 4 MiB), drawn from `seed`, in one
    /// dispatch and one submit of its
    /// own; uses 5 MiB of GPU memory for as long. The future does not borrow the device; who blocks
    /// on it waits for it.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], [`Error::Refused`], [`Error::DeviceLost`].
    pub fn run(
        device: &Device,
        queue: &Queue,
        seed: u64,
    ) -> impl Future<Output = Result<Self, Error>> + WasmNotSend + use<> {
        let guard = Arc::new(Guard::new(device, queue));
        let limits = device.limits();
        let most = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        let fitting = most / (4 * 2 * OPERATIONS as u64);
        let cases = cases::draw(seed, fitting.min(CASES.into()) as u32);
        let reading = dispatch(&guard, &cases);
        async move {
            let mut results: Vec<u32> = Vec::new();
            let take = |bytes: &[u8]| results.extend(bytemuck::cast_slice::<_, u32>(bytes));
            reading?.finish(&guard, Wait::Yield, take).await?;
            guard.refused()?;
            Ok(Self::judged(&cases, &results))
        }
    }

    fn judged(cases: &[Case], results: &[u32]) -> Self {
        let (plain, fenced) = results.split_at(results.len() / 2);
        Self { plain: judge::judge(cases, plain), fenced: judge::judge(cases, fenced) }
    }

    /// As [`Probe::run`], of a device that `answer` stands for: of the WGSL, the cases, and the number of
    /// results, it makes these.
    #[cfg(test)]
    pub(crate) fn answered(
        seed: u64,
        count: u32,
        answer: impl FnOnce(&str, &[Case], usize) -> Vec<u32>,
    ) -> Self {
        let cases = cases::draw(seed, count);
        Self::judged(&cases, &answer(&wgsl(), &cases, 2 * OPERATIONS * cases.len()))
    }

    /// Whether a step with that arithmetic has the bits of the [CPU twin](crate::reference) on this
    /// device, rows with subnormal values or moments left out where those are flushed.
    #[must_use]
    pub fn has_bits_of_twin(&self, arithmetic: Arithmetic) -> bool {
        match arithmetic {
            Arithmetic::Exact => self.fenced.is_exact(),
            Arithmetic::Fast => self.plain.is_exact(),
        }
    }
}

/// The complete WGSL.
fn wgsl() -> String {
    [
        include_str!("../shaders/shared/scalar.wgsl"),
        include_str!("../shaders/shared/exact.wgsl"),
        include_str!("../shaders/shared/compare.wgsl"),
        include_str!("../shaders/shared/one_part.wgsl"),
        include_str!("../shaders/probe.wgsl"),
    ]
    .concat()
}

fn dispatch(guard: &Guard, cases: &[Case]) -> Result<Reading, Error> {
    guard.alive()?;
    let count = cases.len() as u32;
    let given = guard.storage(LABEL, size_of_val(cases) as u64)?;
    upload::write(guard, &given, 0, bytemuck::cast_slice(cases))?;
    let results = guard.storage(LABEL, 4 * 2 * (OPERATIONS * cases.len()) as u64)?;
    let config = guard.make(LABEL, 16, |device| {
        device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: Some(LABEL),
            contents: bytemuck::cast_slice(&[count, 0, 0, 0]),
            usage: BufferUsages::UNIFORM,
        })
    })?;
    let bound = [&config, &given, &results];
    guard.make(LABEL, 0, |device| submit(device, &guard.queue, bound, count.div_ceil(64)))?;
    Reading::start(guard, &[Region::from(&results)])
}

fn submit(device: &Device, queue: &Queue, bound: [&Buffer; 3], workgroups: u32) {
    let label = Some(LABEL);
    let source = ShaderSource::Wgsl(wgsl().into());
    let module = device.create_shader_module(ShaderModuleDescriptor { label, source });
    let pipeline = device.create_compute_pipeline(&ComputePipelineDescriptor {
        label,
        layout: None,
        module: &module,
        entry_point: Some("main"),
        compilation_options: PipelineCompilationOptions::default(),
        cache: None,
    });
    let entries: Vec<_> = (0..)
        .zip(bound)
        .map(|(binding, buffer)| BindGroupEntry { binding, resource: buffer.as_entire_binding() })
        .collect();
    let layout = pipeline.get_bind_group_layout(0);
    let group = device.create_bind_group(&BindGroupDescriptor {
        label,
        layout: &layout,
        entries: &entries,
    });
    let mut encoder = device.create_command_encoder(&CommandEncoderDescriptor { label });
    let mut pass =
        encoder.begin_compute_pass(&ComputePassDescriptor { label, timestamp_writes: None });
    pass.set_pipeline(&pipeline);
    pass.set_bind_group(0, &group, &[]);
    pass.dispatch_workgroups(workgroups, 1, 1);
    drop(pass);
    queue.submit([encoder.finish()]);
}

#[cfg(test)]
mod tests;
