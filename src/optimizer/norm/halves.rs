//! A step in two halves, between which the norm of its gradients is added up over devices.

use crate::entries::copied_words;
use crate::optimizer::recording::Undo;
use crate::{Error, NormTotal, Region, SparseAdam};
use wgpu::CommandEncoder;

/// A step whose gradients have been measured, and whose rows have not been updated
/// ([`SparseAdam::begin_clipped_step`]): [`ClippedStep::finish`] does that.
///
/// It borrows its optimizer, which does nothing else meanwhile. Where it is dropped, the step was none: nothing is counted
/// or updated, but what the gradients' [`Status`](crate::Status) counts has been counted.
#[derive(Debug)]
#[must_use = "a step that is not finished updates nothing"]
pub struct ClippedStep<'a> {
    optimizer: &'a mut SparseAdam,
    /// Until it is finished.
    undo: Option<Undo>,
    total: Region,
}

impl SparseAdam {
    /// Records the first half of a step of every parameter that has a gradient, whose gradients are clipped by their norm
    /// ([`SparseAdam::set_clip_grad_norm`]): all up to the total that the norm comes of. For tables that are
    /// dealt out to several devices: each measures its own rows, the totals of all are joined ([`NormTotal::joined`]) and given
    /// to [`ClippedStep::finish`], and every device clips by the norm of all, with the bits of one that has all rows.
    ///
    /// The buffers of gradients and scalars are to stay as they are until both halves have run, in this order; scalars are copied
    /// here. Hooks that run before a step run here, those behind it in the second half.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where gradients are not clipped by their norm; those of [`SparseAdam::step`]; then nothing was
    /// recorded or counted.
    pub fn begin_clipped_step(
        &mut self,
        encoder: &mut CommandEncoder,
    ) -> Result<ClippedStep<'_>, Error> {
        self.grad_norm_region()?;
        self.call_pre_hooks(encoder)?;
        // A hook may have changed it.
        let total = self.norm_total_region()?;
        let undo = self.ready_step(None)?;
        self.copy_scalars(encoder);
        self.recorder.record_until_norm(encoder, &self.tables);
        Ok(ClippedStep { optimizer: self, undo: Some(undo), total })
    }
}

impl ClippedStep<'_> {
    /// Where the GPU has the total once the first half has run: the words of a [`NormTotal`], in a buffer with usage `COPY_SRC`. They
    /// stay until the second half runs.
    pub fn total(&self) -> &Region {
        &self.total
    }

    /// Records the second half: takes `total` (the words of a [`NormTotal`], at a multiple of 4 in a buffer with usage `COPY_SRC`)
    /// for that of all gradients, clips by its norm, updates the rows and counts the step.
    /// [`SparseAdam::grad_norm`] is the norm of all then. Given [`ClippedStep::total`], both halves are
    /// [`SparseAdam::step`].
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`], [`Error::MissingUsage`], [`Error::Misaligned`], [`Error::InvalidBuffer`] of `total`, [`Error::Overlap`] for
    /// another part of the buffer of [`ClippedStep::total`]; then nothing
    /// was recorded or counted. [`Error::AfterStep`] of hooks.
    pub fn finish(
        mut self,
        encoder: &mut CommandEncoder,
        total: impl Into<Region>,
    ) -> Result<(), Error> {
        let (total, what): (Region, _) = (total.into(), "total of a norm");
        let optimizer = &mut *self.optimizer;
        let total = copied_words(&total, &what, NormTotal::BYTES)?;
        // No buffer is copied to itself.
        if total != self.total {
            if total.buffer() == self.total.buffer() {
                let [first, second] = [what, "what this step measured"].map(String::from);
                return Err(Error::Overlap { first, second });
            }
            optimizer.recorder.check_copied(what, &total)?;
            let (from, to) = ((total.buffer(), total.offset()), &self.total);
            encoder.copy_buffer_to_buffer(
                from.0,
                from.1,
                to.buffer(),
                to.offset(),
                NormTotal::BYTES,
            );
        }
        self.undo = None;
        optimizer.trust(&[]);
        optimizer.count_step();
        optimizer.recorder.record_rest(encoder);
        optimizer.call_post_hooks(encoder)
    }
}

impl Drop for ClippedStep<'_> {
    fn drop(&mut self) {
        if let Some(undo) = self.undo.take() {
            self.optimizer.undo(undo);
            self.optimizer.recorder.forget_rest();
        }
    }
}
