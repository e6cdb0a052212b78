//! Numbers that the GPU knows when a step runs.

use crate::entries::copied_word;
use crate::guard::Guard;
use crate::step::record::Recorder;
use crate::step::witness::Given;
use crate::{Error, Region, SparseAdam, upload};
use wgpu::{Buffer, BufferUsages, CommandEncoder};

/// Numbers in buffers of the caller's that a step reads when it runs, for all parameters alike: what a loss
/// scaler finds, or a schedule that the GPU computes. Each is optional, four bytes at a multiple of 4 in a
/// buffer with usage `COPY_SRC`; where a step is recorded, they are copied to where it reads them.
///
/// ```no_run
/// # fn example(optimizer: &mut sparse_adam::SparseAdam, unscale: wgpu::Buffer, found_inf: wgpu::Buffer)
/// # -> Result<(), sparse_adam::Error> {
/// use sparse_adam::Scalars;
/// optimizer.set_scalars(Scalars::new().grad_scale(&unscale).skip(&found_inf))?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "they do nothing before they are given to an optimizer"]
pub struct Scalars {
    grad_scale: Option<Region>,
    lr_factor: Option<Region>,
    skip: Option<Region>,
}

impl Scalars {
    /// None of them.
    pub fn new() -> Self {
        Self::default()
    }

    /// A f32 that every gradient is multiplied by, behind
    /// [`AdamOptions::grad_scale`](crate::AdamOptions#structfield.grad_scale); entries are clipped before,
    /// sums behind it ([`Clip`](crate::Clip)).
    pub fn grad_scale(self, scale: impl Into<Region>) -> Self {
        Self { grad_scale: Some(scale.into()), ..self }
    }

    /// A f32 that every learning rate is multiplied by.
    pub fn lr_factor(self, factor: impl Into<Region>) -> Self {
        Self { lr_factor: Some(factor.into()), ..self }
    }

    /// A u32: where it is not 0, a step writes no parameter and no state. The host, which does not know,
    /// counts the step all the same; torch's `GradScaler` does not. Once it is known,
    /// [`SparseAdam::set_step_count`] sets that right.
    pub fn skip(self, skip: impl Into<Region>) -> Self {
        Self { skip: Some(skip.into()), ..self }
    }

    /// Each with its role, in the order in which a step reads them.
    fn regions(&self) -> [(&'static str, Option<&Region>); 3] {
        [
            ("gradient scale", self.grad_scale.as_ref()),
            ("learning rate's factor", self.lr_factor.as_ref()),
            ("skip flag", self.skip.as_ref()),
        ]
    }

    /// What the caller gave.
    pub(crate) fn given(&self) -> impl Iterator<Item = Given<'_>> + Clone {
        self.regions().into_iter().filter_map(|(role, region)| Some(("scalars", role, region?)))
    }

    /// Copies them to where a step reads them.
    pub(crate) fn copy(&self, encoder: &mut CommandEncoder, to: &Buffer) {
        for ((_, region), at) in self.regions().into_iter().zip([0, 4, 8]) {
            if let Some(region) = region {
                encoder.copy_buffer_to_buffer(region.buffer(), region.offset(), to, at, 4);
            }
        }
    }
}

/// A uniform buffer of scalars that change nothing.
pub(crate) fn buffer(guard: &Guard) -> Result<Buffer, Error> {
    let usage = BufferUsages::UNIFORM | BufferUsages::COPY_DST;
    let buffer = guard.buffer("sparse_adam::scalars", 16, usage)?;
    let one = 1f32.to_bits();
    upload::write(guard, &buffer, 0, bytemuck::cast_slice(&[one, one, 0, 0]))?;
    Ok(buffer)
}

impl SparseAdam {
    /// Has the steps recorded from now on read `scalars` when they run. What none is given for has no
    /// effect: scales and factors are 1, nothing is skipped. They have kernels of their own, which the next
    /// step or [`SparseAdam::prepare`] builds.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`], [`Error::MissingUsage`], [`Error::Misaligned`] of one of them;
    /// [`Error::InvalidBuffer`] for a buffer that belongs to another device, or was destroyed and has usage
    /// `STORAGE` (of others only the submit tells); [`Error::OutOfMemory`], [`Error::DeviceLost`], [`Error::Refused`].
    pub fn set_scalars(&mut self, scalars: Scalars) -> Result<(), Error> {
        self.begin()?;
        let mut checked = Scalars::new();
        let places = [&mut checked.grad_scale, &mut checked.lr_factor, &mut checked.skip];
        for (place, (role, region)) in places.into_iter().zip(scalars.regions()) {
            let Some(region) = region else { continue };
            let region = copied_word(region, &role)?;
            self.recorder.check_copied(role, &region)?;
            *place = Some(region);
        }
        let Recorder { guard, witness, .. } = &mut self.recorder;
        witness.check(guard, checked.given())?;
        let held = buffer(guard)?;
        self.trust(&[]);
        self.recorder.scalars = Some(held);
        self.scalars = Some(checked);
        self.follow_groups();
        Ok(())
    }

    /// Steps recorded from now on read no scalars.
    pub fn clear_scalars(&mut self) {
        self.scalars = None;
        self.recorder.scalars = None;
        self.follow_groups();
    }
}
