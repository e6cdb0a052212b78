//! What is printed of a sort and a size.

use crate::pairs::KEY_BITS;
use crate::sort::{About, Timed};
use serde::Serialize;
use wgpu::{AdapterInfo, Features};

/// Its fields are the keys of the JSON.
#[derive(Default, Serialize)]
pub struct Line {
    peer: &'static str,
    version: Option<&'static str>,
    adapter: String,
    backend: String,
    n: u32,
    key_bits: u32,
    /// The sort alone, by `timer`.
    ms_median: Option<f64>,
    ms_min: Option<f64>,
    timer: Option<&'static str>,
    /// From submit to completion, of `wall_of`.
    wall_ms_median: Option<f64>,
    wall_ms_min: Option<f64>,
    wall_of: &'static str,
    /// Whether the device has subgroups switched on.
    subgroups: Option<bool>,
    checked: Option<&'static str>,
    /// Why it could not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Line {
    fn new(about: About, info: &AdapterInfo, n: u32) -> Self {
        Self {
            peer: about.peer,
            version: about.version,
            adapter: info.name.clone(),
            backend: info.backend.to_string(),
            n,
            key_bits: KEY_BITS,
            wall_of: about.wall_of,
            ..Default::default()
        }
    }

    pub fn failed(about: About, info: &AdapterInfo, n: u32, error: String) -> Self {
        Self { error: Some(error), ..Self::new(about, info, n) }
    }

    pub fn measured(timed: &Timed<'_>, n: u32) -> Self {
        let (about, gpu) = (timed.sort.about(), timed.sort.gpu());
        let (times, timer) = timer(about, timed);
        Self {
            ms_median: median(times),
            ms_min: least(times),
            timer,
            wall_ms_median: median(&timed.wall_ms),
            wall_ms_min: least(&timed.wall_ms),
            subgroups: Some(gpu.device.features().contains(Features::SUBGROUP)),
            checked: Some(timed.sort.checked()),
            ..Self::new(about, &gpu.info, n)
        }
    }
}

/// The times of the sort alone. A clock may also stand still; then only what is nothing but a sort
/// has a time.
fn timer<'a>(about: About, timed: &'a Timed<'_>) -> (&'a [f64], Option<&'static str>) {
    if timed.gpu_ms.iter().any(|&ms| ms > 0.0) {
        (&timed.gpu_ms, Some("gpu timestamps"))
    } else if about.wall_of == "sort" {
        (&timed.wall_ms, Some("wall clock"))
    } else {
        (&[], None)
    }
}

/// The middle of an odd number of times.
fn median(times: &[f64]) -> Option<f64> {
    let mut times = times.to_vec();
    times.sort_unstable_by(f64::total_cmp);
    times.get(times.len() / 2).copied().map(rounded)
}

fn least(times: &[f64]) -> Option<f64> {
    times.iter().copied().min_by(f64::total_cmp).map(rounded)
}

fn rounded(ms: f64) -> f64 {
    (ms * 1e4).round() / 1e4
}
