//! What a load writes from the host, kept by turns until the GPU has read it.

use crate::Error;
use crate::gpu::Gpu;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use wgpu::{Buffer, BufferUsages, CommandEncoder};

/// A batch's slots must outlast the load after it, in which its step may still be recorded.
const LANES: usize = 4;

/// The buffers of a load.
#[derive(Debug, Default)]
pub(super) struct Lane {
    pub slots: Option<Buffer>,
    pub load_list: Option<Buffer>,
    pub evict_list: Option<Buffer>,
    /// Records of the rows that are loaded.
    pub staging: Option<Buffer>,
    pub uniform: Option<Buffer>,
    /// Numbers of those rows, where the optimizer draws by them.
    pub numbers: Option<Buffer>,
    pub numbers_uniform: Option<Buffer>,
    /// Whether the GPU has done what was last recorded with them; none before that.
    done: Option<Arc<AtomicBool>>,
}

impl Lane {
    fn is_done(&self) -> bool {
        self.done.as_ref().is_none_or(|done| done.load(Ordering::Acquire))
    }
}

/// Lanes by turns.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: [Lane; LANES],
    next: usize,
}

pub(super) const LIST: BufferUsages =
    BufferUsages::STORAGE.union(BufferUsages::COPY_SRC).union(BufferUsages::COPY_DST);

impl Lanes {
    /// The next lane, once the GPU has done with it; whether it had to wait.
    ///
    /// # Errors
    /// [`Error::NotSubmitted`]; the device's.
    pub fn free(&mut self, gpu: &Gpu) -> Result<(&mut Lane, bool), Error> {
        let lane = &mut self.lanes[self.next];
        let waits = !lane.is_done();
        if waits && !gpu.wait_for(|| Ok(lane.is_done()))? {
            return Err(Error::NotSubmitted { what: "CachedTable::load" });
        }
        Ok((lane, waits))
    }

    /// Waits until the GPU has done all that was recorded with any lane.
    ///
    /// # Errors
    /// [`Error::NotSubmitted`]; the device's.
    pub fn all_done(&self, gpu: &Gpu) -> Result<(), Error> {
        match gpu.wait_for(|| Ok(self.lanes.iter().all(Lane::is_done)))? {
            true => Ok(()),
            false => Err(Error::NotSubmitted { what: "CachedTable::load" }),
        }
    }

    /// Commands that use the lane were recorded.
    pub fn used(&mut self, encoder: &CommandEncoder) {
        let done = Arc::new(AtomicBool::new(false));
        self.lanes[self.next].done = Some(Arc::clone(&done));
        encoder.on_submitted_work_done(move || done.store(true, Ordering::Release));
        self.next = (self.next + 1) % LANES;
    }
}

/// Words of a list in a buffer of its own, written before what is submitted next.
pub(super) fn list(
    gpu: &Gpu,
    what: &str,
    buffer: &mut Option<Buffer>,
    words: &[u32],
) -> Result<Buffer, Error> {
    let bytes: &[u8] = bytemuck::cast_slice(words);
    let buffer = gpu.grow(what, buffer, bytes.len() as u64, LIST)?;
    if !bytes.is_empty() {
        gpu.heard(what, bytes.len() as u64, || gpu.queue.write_buffer(&buffer, 0, bytes))?;
    }
    Ok(buffer)
}
