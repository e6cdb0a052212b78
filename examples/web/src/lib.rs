//! sparse-adam in a browser: whether the adapter agrees, how fast it is, and a picture and an embedding that
//! form while one looks.
//!
//! Everything that the page calls is here; it speaks JSON, and nothing in it blocks.
#![forbid(unsafe_code)]

mod benchmark;
mod cases;
mod splatting;
mod trainer;

// The native example's own files.
#[path = "../../wordnet/data.rs"]
mod data;
#[allow(dead_code, reason = "only the search is of use here; threads are not")]
#[path = "../../wordnet/evaluate.rs"]
mod evaluate;
#[allow(dead_code, reason = "sizes that only the native example prints")]
#[path = "../../wordnet/model.rs"]
mod model;
#[path = "../../wordnet/random.rs"]
mod random;
#[allow(dead_code, reason = "counts that only the native example needs")]
#[path = "../../wordnet/sampler.rs"]
mod sampler;

use serde::Serialize;
use sparse_adam::tune::Tuner;
use sparse_adam::{AdamOptions, Tuning};
use sparse_adam_testkit::conformance::{Adapter, Law, TRAINING_HASH, check_trace, check_training};
use sparse_adam_testkit::headless::Gpu;
use sparse_adam_testkit::trace::Trace;
use std::time::Duration;
use wasm_bindgen::prelude::*;

pub use splatting::Splatting;
pub use trainer::Trainer;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = console)]
    fn error(message: &str);
    /// Milliseconds; `std` has no clock here.
    #[wasm_bindgen(js_namespace = performance)]
    fn now() -> f64;
}

/// Lets a panic say in the console what it is.
#[wasm_bindgen(start)]
pub fn start() {
    std::panic::set_hook(Box::new(|panic| error(&panic.to_string())));
}

/// A device of the browser.
#[wasm_bindgen]
pub struct Session {
    gpu: Gpu,
}

/// A law, as the page lists it.
#[derive(Serialize)]
struct Listed {
    kind: sparse_adam_testkit::conformance::Kind,
    name: &'static str,
}

#[wasm_bindgen]
impl Session {
    /// Opens the browser's adapter with all its limits.
    pub async fn open() -> Result<Session, JsError> {
        Ok(Self { gpu: Gpu::open().await? })
    }

    /// What the adapter is, as `conformance::Adapter`.
    pub fn adapter(&self) -> Result<String, JsError> {
        json(&Adapter::of(&self.gpu))
    }

    /// The laws in the order of their numbers: `[{"kind","name"}]`.
    pub fn laws() -> Result<String, JsError> {
        let listed = |law: Law| Listed { kind: law.kind(), name: law.name() };
        json(Law::ALL.map(listed).as_slice())
    }

    /// Names of the optimizer's presets, the default first, as a JSON array.
    pub fn presets() -> Result<String, JsError> {
        json(&AdamOptions::PRESETS.iter().map(|(name, _)| *name).collect::<Vec<_>>())
    }

    /// Checks a law by its number; returns a `conformance::Check`.
    pub async fn law(&self, number: usize, parallel: bool, seed: u64) -> Result<String, JsError> {
        let law = Law::ALL.get(number).ok_or_else(|| JsError::new("no such law"))?;
        json(&law.check(&self.gpu, tuning(parallel), seed).await)
    }

    /// Runs the standard training in the adapter's own tuning; returns the hash that it ended with, the one
    /// that it ends with wherever bits are the same, and a `conformance::Check`, as a JSON array.
    pub async fn training(&self) -> Result<String, JsError> {
        let own = Tuning::for_adapter(&self.gpu.info);
        let (hash, check) = check_training(&self.gpu, own).await;
        json(&(hash, format!("{TRAINING_HASH:016x}"), check))
    }

    /// Replays a trace from the bytes of its file; returns a `conformance::Check`.
    pub async fn trace(&self, name: &str, bytes: &[u8], parallel: bool) -> Result<String, JsError> {
        let trace = Trace::parse(bytes)?;
        json(&check_trace(name, &trace, &self.gpu, tuning(parallel)).await)
    }

    /// The best copy within a buffer of `bytes`, in GB/s, read and written bytes together.
    pub async fn copy_bandwidth(&self, bytes: u64) -> Result<f64, JsError> {
        Ok(benchmark::copy_bandwidth(&self.gpu, bytes).await?)
    }

    /// Searches for the adapter's fastest tuning for about so many seconds; returns a `tune::Tuned`, beside the tuning that the adapter
    /// has without, as a JSON array.
    pub async fn tune(&self, seconds: f64) -> Result<String, JsError> {
        let Gpu { device, queue, info, .. } = &self.gpu;
        let budget = Duration::try_from_secs_f64(seconds)?;
        let tuned = Tuner::new(device, queue, info).budget(budget).run().await?;
        json(&(tuned, Tuning::for_adapter(info)))
    }

    /// Checks a case (`cases::Case` as JSON) against the twin, then times it.
    pub async fn benchmark(&self, case: &str, copy_gbps: f64) -> Result<String, JsError> {
        let case = serde_json::from_str(case)?;
        json(&benchmark::run(&self.gpu, &case, copy_gbps).await?)
    }
}

fn tuning(parallel: bool) -> Tuning {
    if parallel { Tuning::GPU } else { Tuning::CPU }
}

fn json<T: Serialize + ?Sized>(value: &T) -> Result<String, JsError> {
    Ok(serde_json::to_string(value)?)
}
