//! What a load writes from the host, kept by turns until the GPU has read it.

use crate::Error;
use crate::gpu::{Gpu, Mapping, mapped};
use wgpu::{Buffer, BufferUsages, CommandEncoder, MapMode};

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
    stamp: Option<Stamp>,
    /// The load that was last recorded with them, where it is not known that the GPU has done it.
    pending: Option<Pending>,
}

/// Where a load's number is written before it, and copied to behind all that it records. That a submission is over does not
/// tell that it ran: wgpu calls back of one that it refused too.
#[derive(Debug)]
struct Stamp {
    written: Buffer,
    copied: Buffer,
}

#[derive(Debug)]
struct Pending {
    load: u64,
    mapping: Mapping,
}

impl Lane {
    /// Makes ready that the load that is recorded next with them will be known by its number.
    ///
    /// # Errors
    /// The device's.
    pub fn stamp(&mut self, gpu: &Gpu, load: u64) -> Result<(), Error> {
        let what = "a load's number";
        if self.stamp.is_none() {
            let written = gpu.buffer(what, NUMBER, LIST)?;
            let usage = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
            let copied = gpu.buffer(what, NUMBER, usage)?;
            self.stamp = Some(Stamp { written, copied });
        }
        if let Some(Stamp { written, .. }) = &self.stamp {
            gpu.heard(what, NUMBER, || gpu.queue.write_buffer(written, 0, &number(load)))?;
        }
        Ok(())
    }

    /// Looks whether the GPU has done what was last recorded with them.
    fn look(&mut self) -> Result<(), Error> {
        let (Some(Pending { load, mapping }), Some(stamp)) = (&self.pending, &self.stamp) else {
            return Ok(());
        };
        if !mapping.is_there()? {
            return Ok(());
        }
        // It stays as it is where the load never ran, so that every later call finds that too.
        if mapped(&stamp.copied, NUMBER)? != number(*load) {
            return Err(Error::LoadRefused);
        }
        stamp.copied.unmap();
        self.pending = None;
        Ok(())
    }
}

/// Bytes of a load's number.
const NUMBER: u64 = 8;

/// What tells of a load: never what a new buffer holds.
fn number(load: u64) -> [u8; NUMBER as usize] {
    (load + 1).to_le_bytes()
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
    /// [`Error::NotSubmitted`], [`Error::LoadRefused`]; the device's.
    pub fn free(&mut self, gpu: &Gpu) -> Result<(&mut Lane, bool), Error> {
        let next = self.next;
        self.first_pending()?;
        let waits = self.lanes[next].pending.is_some();
        let is_free = || {
            self.first_pending()?;
            Ok(self.lanes[next].pending.is_none())
        };
        if waits && !gpu.wait_for(is_free)? {
            return Err(Error::NotSubmitted { what: "CachedTable::load" });
        }
        Ok((&mut self.lanes[next], waits))
    }

    /// The first load of which it is not known that the GPU has done it.
    ///
    /// # Errors
    /// [`Error::LoadRefused`]; the device's.
    pub fn first_pending(&mut self) -> Result<Option<u64>, Error> {
        for turn in 0..LANES {
            let lane = &mut self.lanes[(self.next + turn) % LANES];
            lane.look()?;
            if let Some(pending) = &lane.pending {
                return Ok(Some(pending.load));
            }
        }
        Ok(None)
    }

    /// Commands that use the next lane were recorded, all of load `load`.
    pub fn used(&mut self, encoder: &mut CommandEncoder, load: u64) {
        let lane = &mut self.lanes[self.next];
        if let Some(Stamp { written, copied }) = &lane.stamp {
            let mapping = Mapping::default();
            encoder.copy_buffer_to_buffer(written, 0, copied, 0, NUMBER);
            encoder.map_buffer_on_submit(copied, MapMode::Read, .., mapping.callback());
            lane.pending = Some(Pending { load, mapping });
        }
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
