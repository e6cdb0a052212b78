//! Gradients clipped by their norm.

mod halves;
mod total;

pub use halves::ClippedStep;
pub use total::NormTotal;

use super::scalars;
use crate::guard::Guard;
use crate::readback::{Reading, Wait};
use crate::step::demand::NormDemand;
use crate::{Error, Region, SparseAdam};
use std::sync::Arc;
use wgpu::{Buffer, BufferUsages, CommandEncoder, WasmNotSend};

/// What a norm is of: of all values of a step's gradients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NormType {
    /// The sum of magnitudes.
    One,
    /// The root of the sum of squares.
    #[default]
    Two,
    /// The largest magnitude.
    Infinity,
}

/// Clips the gradients of a step by their norm, as `torch.nn.utils.clip_grad_norm_` does for the
/// parameters of an optimizer: all are multiplied by `min(1, max_norm / (norm + 1e-6))`.
///
/// The norm is that of the gradients as an update would take them: the sums of rows that are named several
/// times, over all parameters that have a gradient, after entries are clipped, and times
/// [`AdamOptions::grad_scale`](crate::AdamOptions#structfield.grad_scale) and that of [`Scalars`](crate::Scalars);
/// before [`Clip::Value`](crate::Clip) and any decay. A NaN among them has NaN for a norm and a factor; an
/// infinity, or squares or sums that exceed f32, an infinite norm and the factor 0.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct ClipGradNorm {
    /// What the norm is brought down to; above 0.
    pub max_norm: f64,
    /// Which norm.
    pub norm_type: NormType,
}

impl ClipGradNorm {
    /// The root of the sum of squares, brought down to `max_norm`.
    #[must_use]
    pub const fn new(max_norm: f64) -> Self {
        Self { max_norm, norm_type: NormType::Two }
    }

    /// Of another type.
    #[must_use]
    pub const fn norm_type(self, norm_type: NormType) -> Self {
        Self { norm_type, ..self }
    }

    /// Checks `max_norm` against its range.
    ///
    /// # Errors
    /// [`Error::InvalidOption`].
    pub fn validate(self) -> Result<(), Error> {
        self.demand().map(drop)
    }

    /// As the steps know it.
    fn demand(self) -> Result<NormDemand, Error> {
        let (found, narrow) = (self.max_norm, self.max_norm as f32);
        if narrow > 0.0 && narrow.is_finite() {
            return Ok(NormDemand { norm_type: self.norm_type, most: narrow.to_bits() });
        }
        let expected = "a finite number (as f32) above 0";
        Err(Error::InvalidOption { field: "max_norm", expected, found })
    }
}

/// Where the steps of an optimizer find the norm of their gradients.
#[derive(Clone, Debug)]
pub(crate) struct Norm {
    pub asked: NormDemand,
    /// `NormState` of `shaders/shared/norm_state.wgsl`.
    pub state: Buffer,
    /// Scalars that change nothing, where the caller gives none.
    pub unscaled: Buffer,
    /// Whether a step was taken in two halves: the second may never have run, and left its total.
    pub in_halves: bool,
}

/// Words of scalars and the norm, of digits, and one of marks.
pub(crate) const STATE_BYTES: u64 = TOTAL_AT + NormTotal::BYTES;
/// Where the norm is among them, and the total, in bytes.
pub(crate) const NORM_AT: u64 = 12;
pub(crate) const TOTAL_AT: u64 = 16;

impl Norm {
    /// # Errors
    /// As [`Guard::buffer`].
    pub fn new(guard: &Guard, asked: NormDemand) -> Result<Self, Error> {
        let copied = BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
        let usage = BufferUsages::STORAGE | BufferUsages::UNIFORM | copied;
        let state = guard.buffer("sparse_adam::norm", STATE_BYTES.next_multiple_of(16), usage)?;
        Ok(Self { asked, state, unscaled: scalars::buffer(guard)?, in_halves: false })
    }

    /// What an update reads.
    pub fn clipped(&self) -> Region {
        Region::from(self.state.slice(..16))
    }

    fn region(&self) -> Region {
        Region::new(&self.state, NORM_AT, 4)
    }

    fn total(&self) -> Region {
        Region::new(&self.state, TOTAL_AT, NormTotal::BYTES)
    }

    /// Has the total begin anew.
    pub fn clear_total(&self, encoder: &mut CommandEncoder) {
        encoder.clear_buffer(&self.state, TOTAL_AT, Some(NormTotal::BYTES));
    }
}

impl SparseAdam {
    /// Has the gradients of the steps recorded from now on clipped by their norm, or no longer. The norm is found
    /// and used on the GPU, in the step's own pass; nothing is read back. Another `max_norm` builds
    /// nothing; the first step with a norm, and with another type, builds kernels.
    ///
    /// The sum over all rows and parameters is exact and rounded once, so the norm's bits depend neither on the
    /// order of parameters nor on that of rows, nor on the device, where its arithmetic is exact. Nor does a sum that is
    /// dealt out to several devices show in them: [`SparseAdam::begin_clipped_step`].
    ///
    /// It is a setting of how steps are taken, as in torch, and in no state dict.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] for a `max_norm` that is not finite and above 0, as f32;
    /// [`Error::OutOfMemory`], [`Error::DeviceLost`], [`Error::Refused`].
    pub fn set_clip_grad_norm(&mut self, clip: Option<ClipGradNorm>) -> Result<(), Error> {
        self.begin()?;
        let asked = clip.map(ClipGradNorm::demand).transpose()?;
        let norm = match (asked, self.recorder.norm.take()) {
            (None, _) => None,
            (Some(asked), Some(held)) => Some(Norm { asked, ..held }),
            (Some(asked), None) => Some(Norm::new(&self.recorder.guard, asked)?),
        };
        self.trust(&[]);
        self.recorder.norm = norm;
        self.follow_groups();
        Ok(())
    }

    /// Reads the norm that the last step found of its gradients before it clipped them, of the steps submitted
    /// before this call; 0 before the first. The future is as that of [`SparseAdam::status`].
    ///
    /// # Errors
    /// [`Error::Unsupported`] where gradients are not clipped by their norm; [`Error::DeviceLost`],
    /// [`Error::OutOfMemory`], [`Error::Refused`].
    pub fn grad_norm(&self) -> impl Future<Output = Result<f32, Error>> + WasmNotSend + use<> {
        let guard = Arc::clone(&self.recorder.guard);
        let times = guard.times_forgotten();
        let reading = self.grad_norm_region().and_then(|region| Reading::start(&guard, &[region]));
        async move {
            let mut norm = 0.0;
            let take = |bytes: &[u8]| norm = bytemuck::pod_read_unaligned(bytes);
            reading?.finish(&guard, Wait::Yield, take).await?;
            guard.refused_since(times)?;
            Ok(norm)
        }
    }

    /// Where the GPU has the last step's norm: a f32 in a buffer with usage `COPY_SRC`, which may be copied in the
    /// encoder of a step, behind it. It stays the same while the norm is asked for and no call has failed with
    /// [`Error::OutOfMemory`] in a browser.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where gradients are not clipped by their norm.
    pub fn grad_norm_region(&self) -> Result<Region, Error> {
        Ok(self.norm()?.region())
    }

    /// Where the GPU has the total that it comes of, within a step.
    pub(super) fn norm_total_region(&self) -> Result<Region, Error> {
        Ok(self.norm()?.total())
    }

    fn norm(&self) -> Result<&Norm, Error> {
        self.recorder.norm.as_ref().ok_or(Error::Unsupported {
            what: "the norm of gradients that are not clipped by it",
            remedy: "call set_clip_grad_norm; a very large max_norm clips nothing",
        })
    }

    /// Whether steps read scalars that the GPU knows.
    pub(crate) fn reads_scalars(&self) -> bool {
        self.scalars.is_some() || self.recorder.norm.is_some()
    }
}
