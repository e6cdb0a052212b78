//! What tuning found, as a value to be kept in a file.

use crate::step::fingerprint;
use crate::{Error, Tuning};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use wgpu::AdapterInfo;

/// The only format that is read; 1 knew fewer fields of a tuning.
const FORMAT: u32 = 2;

/// The tuning that was found for an adapter, with what it is good for and how it was found. It reads and
/// writes no file: [`Tuned::to_json`] and [`Tuned::from_json`], or serde, turn it into text and back.
///
/// A tuning changes the speed of a step and no bit of its result, so the worst that an outdated one does is
/// to be slow; [`Tuned::fits`] tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Tuned {
    /// Of the file: 2.
    #[serde(deserialize_with = "known_format")]
    pub format: u32,
    /// The version of this crate.
    #[serde(rename = "crate")]
    pub version: String,
    /// A hash of the WGSL of all kernels, `fnv1a:` and 16 hexadecimal digits. The version of wgpu's compiler is not
    /// part of it: no crate tells it.
    pub kernels: String,
    /// Where it was found.
    pub adapter: TunedAdapter,
    /// Whose clock was believed.
    pub timing: Clock,
    /// Milliseconds that it took to find.
    pub spent_ms: u64,
    /// Checked when it is read.
    #[serde(deserialize_with = "valid_tuning")]
    pub(super) tuning: Tuning,
    /// Everything that was compared or timed, in its order.
    pub evidence: Vec<Evidence>,
}

/// An adapter, as wgpu tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TunedAdapter {
    /// `AdapterInfo::name`.
    pub name: String,
    /// `AdapterInfo::vendor`.
    pub vendor: u32,
    /// `AdapterInfo::device`.
    pub device: u32,
    /// `vulkan`, `metal`, `dx12`, `gl` or `webgpu`.
    pub backend: String,
    /// `AdapterInfo::driver`.
    pub driver: String,
    /// `AdapterInfo::driver_info`: on most systems, the driver's version.
    pub driver_info: String,
}

/// A clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Clock {
    /// The GPU's, which was found to rise with the work, and to agree with the host's.
    Timestamps,
    /// The host's.
    Wall,
}

/// A candidate on a workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Evidence {
    /// The field of [`Tuning`] that was varied; `all` where the tuning that was chosen was at last timed against
    /// the default.
    pub field: String,
    /// The field's value; of `all`, `chosen`.
    pub candidate: String,
    /// Rows, dim and entries of the step, and which rows the entries name.
    pub workload: String,
    /// Microseconds of a step: the median of what was timed. None where nothing was.
    pub us: Option<f64>,
    /// Of the default, in the same rounds.
    pub default_us: Option<f64>,
    /// How the result compares with the default's. What has other bits is not timed.
    pub bits: Bits,
}

/// How a result compares with that of the default tuning: the parameter and both moments after two steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Bits {
    /// The same bits.
    Same,
    /// Other bits: a defect of the driver or of this library, so please report it.
    Different,
    /// The device did not take a kernel or a buffer of it.
    Refused,
}

impl TunedAdapter {
    pub(super) fn of(info: &AdapterInfo) -> Self {
        let AdapterInfo { name, vendor, device, backend, driver, driver_info, .. } = info.clone();
        Self { name, vendor, device, backend: backend.to_str().into(), driver, driver_info }
    }
}

impl Tuned {
    pub(super) fn new(info: &AdapterInfo, timing: Clock, tuning: Tuning) -> Self {
        Self {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").into(),
            kernels: fingerprint::of_kernels().into(),
            adapter: TunedAdapter::of(info),
            timing,
            spent_ms: 0,
            tuning,
            evidence: Vec::new(),
        }
    }

    /// The tuning, for [`SparseAdam::with_tuning`](crate::SparseAdam::with_tuning) or
    /// [`Kit::with_tuning`](crate::Kit::with_tuning).
    #[must_use]
    pub fn tuning(&self) -> Tuning {
        self.tuning
    }

    /// Whether it is of this adapter, driver and version of the kernels, and of the form and arithmetic that the
    /// adapter has by default: if not, tune again, or use the default. It compares; it asks no device.
    #[must_use]
    pub fn fits(&self, info: &AdapterInfo) -> bool {
        let default = Tuning::for_adapter(info);
        let same = |held: &Tuning| (held.form, held.arithmetic, held.u64_rows);
        self.adapter == TunedAdapter::of(info)
            && self.kernels == fingerprint::of_kernels()
            && same(&self.tuning) == same(&default)
    }

    /// Reads what [`Tuned::to_json`] wrote.
    ///
    /// # Errors
    /// [`Error::InvalidFile`] where it is no such text, of another format, or where a field of the tuning is
    /// outside its documented range.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        serde_json::from_str(text).map_err(|error| invalid(&error))
    }

    /// As JSON, with a field a line.
    ///
    /// # Errors
    /// [`Error::InvalidFile`] where serde cannot write it, which is not known to happen.
    pub fn to_json(&self) -> Result<String, Error> {
        serde_json::to_string_pretty(self).map(|text| text + "\n").map_err(|error| invalid(&error))
    }
}

fn invalid(error: &serde_json::Error) -> Error {
    Error::InvalidFile { what: "tuned parameters".into(), reason: error.to_string() }
}

fn known_format<'de, D: Deserializer<'de>>(read: D) -> Result<u32, D::Error> {
    match u32::deserialize(read)? {
        FORMAT => Ok(FORMAT),
        other => Err(D::Error::custom(format!("format {other}, expected {FORMAT}"))),
    }
}

fn valid_tuning<'de, D: Deserializer<'de>>(read: D) -> Result<Tuning, D::Error> {
    let tuning = Tuning::deserialize(read)?;
    tuning.validate().map_err(D::Error::custom)?;
    Ok(tuning)
}

#[cfg(test)]
#[path = "tuned_tests.rs"]
mod tests;
