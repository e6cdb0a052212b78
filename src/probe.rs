//! What a device's float arithmetic does.

mod cases;
mod judge;

use crate::guard::Guard;
use crate::readback::{Reading, Wait};
use crate::step::kernel;
use crate::step::width::Width;
use crate::{Arithmetic, Error, Region, device_limits, upload};
use cases::{CASES, Case, FEWEST_CASES};
use std::fmt;
use std::sync::Arc;
use wgpu::util::DeviceExt;
use wgpu::{
    BindGroupDescriptor, BindGroupEntry, Buffer, BufferUsages, CommandEncoderDescriptor,
    ComputePassDescriptor, ComputePipelineDescriptor, Device, Limits, PipelineCompilationOptions,
    Queue, ShaderModuleDescriptor, ShaderSource, WasmNotSend,
};

const LABEL: &str = "sparse_adam::probe";

/// Operations that are tried, each in both ways.
const OPERATIONS: usize = 9;

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
    /// `(z + w) - z` that gave `w`. Mesa's compilers do that; no step subtracts what it has just added,
    /// so [`Findings::is_exact`] does not ask.
    pub folded: u32,
    /// Single operations with another result because a subnormal operand or result was not kept.
    pub flushed: u32,
    /// Single operations on or to an infinity or a NaN with another result; of NaN, all are alike.
    pub not_finite: u32,
    /// Largest distance of a quotient of normal numbers, in units in the last place; 2^32 - 1 of a NaN.
    pub quotient_ulp: u32,
    /// Largest distance of a root of a normal number, likewise.
    pub root_ulp: u32,
}

impl Findings {
    /// Whether results on normal numbers and zeros have the bits of IEEE 754, and infinities and NaN come
    /// where they should; false where nothing was tried.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        let Self { misrounded, fused, reordered, not_finite, quotient_ulp, root_ulp, .. } = *self;
        self.cases > 0
            && [misrounded, fused, reordered, not_finite, quotient_ulp, root_ulp] == [0; 6]
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
            (not_finite, "infinities or NaN lost"),
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
    /// Tries each operation in 65,536 cases (fewer where no binding holds 2.3 MB, 256 at least), drawn from
    /// `seed`, in two dispatches and submits of its own; takes 9 MiB for as long, 4 of them mappable. The
    /// future does not borrow the device; who blocks on it waits for it.
    ///
    /// # Errors
    /// [`Error::DeviceLimit`], [`Error::OutOfMemory`], [`Error::Refused`], [`Error::DeviceLost`].
    pub fn run(
        device: &Device,
        queue: &Queue,
        seed: u64,
    ) -> impl Future<Output = Result<Self, Error>> + WasmNotSend + use<> {
        let guard = Arc::new(Guard::new(device, queue));
        let cases = count(&device.limits()).map(|count| cases::draw(seed, count));
        let started = cases.and_then(|cases| Ok((dispatch(&guard, &cases)?, cases)));
        async move {
            let (reading, cases) = started?;
            let mut results: Vec<Vec<u32>> = Vec::new();
            let take = |bytes: &[u8]| results.push(bytemuck::pod_collect_to_vec(bytes));
            reading.finish(&guard, Wait::Yield, take).await?;
            guard.refused()?;
            let mut found = results.iter().map(|results| judge::judge(&cases, results));
            let [plain, fenced] = std::array::from_fn(|_| found.next().unwrap_or_default());
            Ok(Self { plain, fenced })
        }
    }

    /// As [`Probe::run`], of a device that `answer` stands for: of the WGSL, the cases, and the number of
    /// results, it makes these.
    #[cfg(test)]
    pub(crate) fn answered(
        seed: u64,
        count: u32,
        answer: impl Fn(&str, &[Case], usize) -> Vec<u32>,
    ) -> Self {
        let cases = cases::draw(seed, count);
        let found = WAYS.map(|arithmetic| {
            judge::judge(&cases, &answer(&wgsl(arithmetic), &cases, OPERATIONS * cases.len()))
        });
        let [plain, fenced] = found;
        Self { plain, fenced }
    }

    /// Whether a step with that arithmetic has the bits of the [CPU twin](crate::reference) on this
    /// device; where subnormal numbers are flushed ([`Findings::flushed`]), rows left out of which an
    /// operation meets or makes one.
    #[must_use]
    pub fn has_bits_of_twin(&self, arithmetic: Arithmetic) -> bool {
        match arithmetic {
            // What is folded behind fences, a compiler has seen through one.
            Arithmetic::Exact => self.fenced.is_exact() && self.fenced.folded == 0,
            Arithmetic::Fast => self.plain.is_exact(),
        }
    }
}

/// The two ways, in the order of the results.
const WAYS: [Arithmetic; 2] = [Arithmetic::Fast, Arithmetic::Exact];

/// Cases that a device has room for.
///
/// # Errors
/// [`Error::DeviceLimit`].
fn count(limits: &Limits) -> Result<u32, Error> {
    device_limits::check(limits)?;
    let found = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
    let expected = 4 * OPERATIONS as u64 * u64::from(FEWEST_CASES);
    if found < expected {
        let limit = "max_storage_buffer_binding_size";
        return Err(Error::DeviceLimit { limit, expected, found });
    }
    Ok((found / (4 * OPERATIONS as u64)).min(CASES.into()) as u32)
}

/// The complete WGSL.
fn wgsl(arithmetic: Arithmetic) -> String {
    [
        include_str!("../shaders/shared/scalar.wgsl"),
        kernel::arithmetic(arithmetic),
        kernel::operations(Width::Scalar),
        include_str!("../shaders/probe.wgsl"),
    ]
    .concat()
}

/// Has the device compute in both ways, and reads both results.
fn dispatch(guard: &Guard, cases: &[Case]) -> Result<Reading, Error> {
    guard.alive()?;
    let count = cases.len() as u32;
    let given = guard.storage(LABEL, size_of_val(cases) as u64)?;
    upload::write(guard, &given, 0, bytemuck::cast_slice(cases))?;
    let config = guard.make(LABEL, 16, |device| {
        device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: Some(LABEL),
            contents: bytemuck::cast_slice(&[count, 0, 0, 0]),
            usage: BufferUsages::UNIFORM,
        })
    })?;
    let mut regions = Vec::new();
    for arithmetic in WAYS {
        let results = guard.storage(LABEL, 4 * (OPERATIONS * cases.len()) as u64)?;
        let bound = [&config, &given, &results];
        let submit = |device: &Device| {
            submit(device, &guard.queue, arithmetic, bound, count.div_ceil(64));
        };
        guard.make(LABEL, 0, submit)?;
        regions.push(Region::from(&results));
    }
    Reading::start(guard, &regions)
}

fn submit(
    device: &Device,
    queue: &Queue,
    arithmetic: Arithmetic,
    bound: [&Buffer; 3],
    workgroups: u32,
) {
    let label = Some(LABEL);
    let source = ShaderSource::Wgsl(wgsl(arithmetic).into());
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
