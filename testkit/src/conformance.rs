//! Whether an adapter agrees: with PyTorch on recorded traces, and with the CPU twin on random
//! inputs.
//!
//! For anyone with an adapter that nobody here has. Everything is async and nothing blocks, so
//! it also runs in a browser. A [`Law`] makes seeded inputs of its own; traces are the caller's.
//!
//! ```no_run
//! # async fn example() -> Result<(), sparse_adam::Error> {
//! use sparse_adam::Tuning;
//! use sparse_adam_testkit::{conformance, headless::Gpu};
//! let gpu = Gpu::open().await?;
//! for law in conformance::Law::ALL {
//!     let check = law.check(&gpu, Tuning::GPU, 0).await;
//!     println!("{}: {} ({} ULP)", check.name, check.ok, check.max_ulp());
//! }
//! # Ok(())
//! # }
//! ```

mod finding;
mod growing;
mod kernels;
mod law;
mod laws;
mod lists;
mod numbered;
mod setting;
mod training;
mod turns;
mod values;

pub use finding::{Check, Kind};
pub use law::Law;
pub use training::{TRAINING_HASH, training_hash, training_hash_of_twin};
pub use turns::TURNS;

pub(crate) use finding::Finding;

use crate::headless::Gpu;
use crate::trace::{Tolerance, Trace};
use serde::Serialize;
use sparse_adam::{Form, Probe, Tuning};

/// What an adapter is, and how large a problem it takes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Adapter {
    /// Its name; a browser may keep it to itself.
    pub name: String,
    /// The API behind it, such as `vulkan`.
    pub backend: String,
    /// Its driver and that driver's version, where known.
    pub driver: String,
    /// `same bits` as the twin, or `within the bound` ([`bound`]), with its own tuning.
    pub class: &'static str,
    /// Whether it is a CPU in disguise, as far as it tells.
    pub software: bool,
    /// What its arithmetic was found to do: why it is of that class.
    pub probe: Option<Probe>,
    /// The sort that its own tuning uses: `serial` or `parallel`.
    pub tuning: &'static str,
    /// The limits that matter here, by wgpu's names.
    pub limits: Vec<(&'static str, u64)>,
}

impl Adapter {
    /// Describes the adapter of an open device, and that device's limits.
    pub fn of(gpu: &Gpu) -> Self {
        let info = &gpu.info;
        let limits = gpu.device.limits();
        let own = Tuning::for_adapter(info);
        Self {
            name: info.name.clone(),
            backend: info.backend.to_string(),
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_string(),
            class: if gpu.has_bits_of_twin(&own) { "same bits" } else { "within the bound" },
            software: own.form == Form::Serial,
            probe: gpu.probe,
            tuning: tuning_name(&own),
            limits: vec![
                ("max_buffer_size", limits.max_buffer_size),
                ("max_storage_buffer_binding_size", limits.max_storage_buffer_binding_size),
                (
                    "max_storage_buffers_per_shader_stage",
                    limits.max_storage_buffers_per_shader_stage.into(),
                ),
                (
                    "min_storage_buffer_offset_alignment",
                    limits.min_storage_buffer_offset_alignment.into(),
                ),
                (
                    "max_compute_workgroup_storage_size",
                    limits.max_compute_workgroup_storage_size.into(),
                ),
                (
                    "max_compute_invocations_per_workgroup",
                    limits.max_compute_invocations_per_workgroup.into(),
                ),
                (
                    "max_compute_workgroups_per_dimension",
                    limits.max_compute_workgroups_per_dimension.into(),
                ),
            ],
        }
    }
}

/// How near results must come to the twin's: their bits, or within `1e-6 + 2e-6 |x|` over the few steps
/// of a law, whose values are about 1.
pub fn bound(has_bits_of_twin: bool) -> Tolerance {
    match has_bits_of_twin {
        true => Tolerance { rtol: 0.0, atol: 0.0 },
        false => Tolerance { rtol: 2e-6, atol: 1e-6 },
    }
}

/// `serial` or `parallel`: the name of a tuning's form.
pub fn tuning_name(tuning: &Tuning) -> &'static str {
    if tuning.form == Form::Serial { "serial" } else { "parallel" }
}

/// Runs the standard training: the hash it ends with, and whether it is [`TRAINING_HASH`] where it must be.
pub async fn check_training(gpu: &Gpu, tuning: Tuning) -> (String, Check) {
    let mut finding = Finding::default();
    let hash = match training_hash(gpu, tuning).await {
        Ok(hash) if hash == TRAINING_HASH || !gpu.has_bits_of_twin(&tuning) => {
            format!("{hash:016x}")
        }
        Ok(hash) => {
            finding.fail(format!("it ended with {hash:016x}, not with {TRAINING_HASH:016x}"));
            format!("{hash:016x}")
        }
        Err(error) => {
            finding.fail(error.to_string());
            "nothing".into()
        }
    };
    (hash, finding.check(Kind::Law, "a training of 2,000 steps", &tuning))
}

/// Replays a trace, within its own tolerance.
pub async fn check_trace(name: &str, trace: &Trace, gpu: &Gpu, tuning: Tuning) -> Check {
    let replayed = trace.replay(gpu, Some(tuning), trace.recipe.tolerance);
    let mut finding = Finding::default();
    match replayed.await {
        Ok(comparisons) => finding.compare(comparisons),
        Err(error) => finding.fail(error.to_string()),
    }
    finding.check(Kind::Trace, name, &tuning)
}
