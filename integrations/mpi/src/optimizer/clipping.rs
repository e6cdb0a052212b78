//! Gradients clipped by their norm over ranks: each measures the rows that it owns, and what their totals come to is the norm of all.

use super::ShardedOptimizer;
use crate::device::Gpu;
use crate::{Error, Transport};
use sparse_adam::{ClipGradNorm, ClippedStep, NormTotal, SparseAdam};
use wgpu::BufferUsages;

impl<T: Transport> ShardedOptimizer<T> {
    /// Has the gradients of later steps clipped by their norm, or no longer, as
    /// [`SparseAdam::set_clip_grad_norm`]: on every rank alike before the next step. The norm is that of all tables' rows over all
    /// ranks, with the bits of one device (of [`Sums::Ranks`](super::Sums::Ranks), those of its sums); after a step
    /// every rank's [`SparseAdam::grad_norm`] tells it. A step waits for its rank's device until it has measured the gradients; it
    /// takes no exchange more. Hooks of the core that run before a step have run where another rank fails then.
    ///
    /// # Errors
    /// Those of [`SparseAdam::set_clip_grad_norm`].
    pub fn set_clip_grad_norm(&mut self, clip: Option<ClipGradNorm>) -> Result<(), Error> {
        self.core.set_clip_grad_norm(clip)?;
        self.clip = clip;
        Ok(())
    }

    /// Steps where every rank is ready and has measured its gradients.
    pub(super) fn step_clipped(
        &mut self,
        clip: ClipGradNorm,
        doing: &str,
        ready: Result<(), Error>,
    ) -> Result<(), Error> {
        let (settings, ranks) = (self.settings(), self.ranks.get() as usize);
        let Self { link, core, gpu, norms, .. } = self;
        let gpu = &*gpu;
        let begun = ready.and_then(move |()| begin(core, gpu));
        let mine = begun.map(|(step, total)| (step, vec![total.words().to_vec(); ranks]));
        let (step, totals) = link.meet((doing, settings), mine)?;
        let finished = joined(clip, &totals).and_then(|total| {
            let usage = BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
            let region = gpu.at_least("the norm's total", norms, NormTotal::BYTES, usage)?;
            gpu.write("the norm's total", region.buffer(), &total.words())?;
            Ok(gpu.submit(|encoder| step.finish(encoder, region))?)
        });
        self.stepped(finished)
    }
}

/// The first half of a step, and what it has found.
fn begin<'a>(core: &'a mut SparseAdam, gpu: &Gpu) -> Result<(ClippedStep<'a>, NormTotal), Error> {
    let step = gpu.submit(move |encoder| core.begin_clipped_step(encoder))?;
    let words = gpu.read("the norm's total", &[step.total().clone()])?.concat();
    let total = total(&words).ok_or_else(|| sparse_adam::Error::Refused {
        what: "the norm's total".into(),
        reason: format!("{} words were read", words.len()),
        source: None,
    })?;
    Ok((step, total))
}

/// That of all ranks.
fn joined(clip: ClipGradNorm, messages: &[Vec<u32>]) -> Result<NormTotal, Error> {
    let of = |(rank, words): (u32, &Vec<u32>)| total(words).ok_or(Error::Garbled { rank });
    let totals: Result<Vec<_>, _> = (0..).zip(messages).map(of).collect();
    Ok(NormTotal::joined(clip.norm_type, totals?))
}

fn total(words: &[u32]) -> Option<NormTotal> {
    Some(NormTotal::new(words.try_into().ok()?))
}
