//! Uniform slots that are written once in their life.
//!
//! `Queue::write_buffer` takes effect before the *next submit*, so a slot that two steps in one
//! encoder both wrote would give both the last value. A slot is therefore never written again;
//! and because it never changes, equal contents share one.

use super::layout::{Config, EntryCount, LARGEST};
use crate::guard::Guard;
use crate::{Error, Region};
use foldhash::HashMap;
use wgpu::{Buffer, BufferSize, BufferUsages, Limits};

/// A slot: its buffer's region, which is what a binding has at dynamic offset 0, and its dynamic offset.
pub type Slot = (Region, u32);

/// Slots per chunk; a full chunk is let go and a new one begun.
const SLOTS: u64 = 1024;

/// Bytes per slot: dynamic offsets must be aligned.
fn slot_bytes(limits: &Limits) -> u64 {
    (LARGEST as u64).next_multiple_of(u64::from(limits.min_uniform_buffer_offset_alignment))
}

/// Bytes per chunk.
pub fn chunk_bytes(limits: &Limits) -> u64 {
    SLOTS * slot_bytes(limits)
}

/// Write-once slots in a chunk of uniform buffer.
#[derive(Debug)]
pub struct Uniforms {
    chunk: Buffer,
    slot_bytes: u64,
    slots: HashMap<Box<[u8]>, u32>,
    /// Contents of the slots taken since the last flush, and the offset of the first.
    unwritten: Vec<u8>,
    unwritten_from: u64,
    chunks: u64,
}

impl Uniforms {
    /// # Errors
    /// As [`Guard::buffer`].
    pub fn new(guard: &Guard) -> Result<Self, Error> {
        let slot_bytes = slot_bytes(&guard.device.limits());
        Ok(Self {
            chunk: create(guard, slot_bytes)?,
            slot_bytes,
            slots: HashMap::default(),
            unwritten: Vec::new(),
            unwritten_from: 0,
            chunks: 1,
        })
    }

    /// A slot that holds `value`.
    ///
    /// # Errors
    /// As [`Guard::buffer`], once the chunk is full.
    pub fn slot<T: bytemuck::Pod>(&mut self, guard: &Guard, value: &T) -> Result<Slot, Error> {
        const { assert!(size_of::<T>() <= LARGEST, "name the struct in LARGEST") };
        self.slots(guard, bytemuck::bytes_of(value))
    }

    /// As [`Uniforms::slot`], of bytes that may take several slots.
    pub fn slots(&mut self, guard: &Guard, bytes: &[u8]) -> Result<Slot, Error> {
        let offset = match self.slots.get(bytes) {
            Some(&offset) => offset,
            None => self.take(guard, bytes)?,
        };
        Ok((Region::from(self.chunk.slice(..bytes.len() as u64)), offset))
    }

    /// As [`Uniforms::slot`], of a dispatch's first uniform.
    pub fn config(&mut self, guard: &Guard, config: &Config) -> Result<Slot, Error> {
        match config {
            Config::Entries(config) => self.slot(guard, config),
            Config::Inspect(config) => self.slot(guard, config),
            Config::Sort(config) => self.slot(guard, config),
            Config::Heads(config) => self.slot(guard, config),
            Config::Keys(config) => self.slot(guard, config),
            Config::Partial(config) => self.slot(guard, config),
            Config::Update(config) => self.slot(guard, config),
            Config::Rows(config) => self.slot(guard, config),
            Config::Flush(config) => self.slot(guard, config),
            Config::Squares(config) => self.slot(guard, config),
            Config::NormSum(config) => self.slot(guard, config),
            Config::NormFactor(config) => self.slot(guard, config),
            Config::Tally(config) => self.slot(guard, config),
            Config::Remap(config) => self.slot(guard, config),
            Config::Check(config) => self.slot(guard, config),
            Config::Reset(config) => self.slot(guard, config),
        }
    }

    /// As [`Uniforms::slot`], of a number of entries.
    pub fn count(&mut self, guard: &Guard, entries: u32) -> Result<Slot, Error> {
        self.slot(guard, &EntryCount { entries, ..Default::default() })
    }

    fn take(&mut self, guard: &Guard, bytes: &[u8]) -> Result<u32, Error> {
        let taken = (bytes.len() as u64).next_multiple_of(self.slot_bytes);
        let mut offset = self.next();
        if offset + taken > SLOTS * self.slot_bytes {
            // Made before the full one is let go, so that a refusal changes nothing.
            let chunk = create(guard, self.slot_bytes)?;
            // Whether it was taken, the scopes around the step tell.
            self.flush(guard);
            self.chunk = chunk;
            self.chunks += 1;
            self.slots.clear();
            self.unwritten_from = 0;
            offset = 0;
        }
        self.unwritten.extend_from_slice(bytes);
        self.unwritten.resize((offset - self.unwritten_from + taken) as usize, 0);
        self.slots.insert(bytes.into(), offset as u32);
        Ok(offset as u32)
    }

    /// The offset of the next slot to be taken.
    fn next(&self) -> u64 {
        self.unwritten_from + self.unwritten.len() as u64
    }

    /// Whether the next slot taken begins a new chunk.
    #[cfg(test)]
    pub fn is_full(&self) -> bool {
        self.next() == SLOTS * self.slot_bytes
    }

    /// Writes the slots taken since the last flush; to be called before anything that reads them
    /// is recorded. Whether the device took any.
    pub fn flush(&mut self, guard: &Guard) -> bool {
        let Some(size) = BufferSize::new(self.unwritten.len() as u64) else { return false };
        let taken = guard.queue.write_buffer_with(&self.chunk, self.unwritten_from, size);
        self.unwritten_from += size.get();
        let taken = taken.map(|mut slots| slots.copy_from_slice(&self.unwritten));
        self.unwritten.clear();
        taken.is_some()
    }

    /// Forgets what the chunk may not hold, because a flush was refused or never came.
    pub fn forget(&mut self) {
        // Slots are not taken twice, so the next ones follow behind.
        self.unwritten_from = self.next();
        self.unwritten.clear();
        self.slots.clear();
    }

    /// Bytes of the current chunk.
    pub fn bytes(&self) -> u64 {
        self.chunk.size()
    }

    /// Chunks created so far.
    pub fn chunks(&self) -> u64 {
        self.chunks
    }
}

fn create(guard: &Guard, slot_bytes: u64) -> Result<Buffer, Error> {
    let usage = BufferUsages::UNIFORM | BufferUsages::COPY_DST;
    guard.buffer("sparse_adam::uniforms", SLOTS * slot_bytes, usage)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::rig;

    fn opened() -> (Guard, Uniforms) {
        let (device, queue) = rig::open();
        let guard = Guard::new(&device, &queue);
        let uniforms = Uniforms::new(&guard).unwrap();
        (guard, uniforms)
    }

    #[test]
    fn what_was_not_written_is_not_trusted() {
        let (guard, mut uniforms) = opened();
        let mut slot = |number: u32| uniforms.slot(&guard, &[number; 4]).unwrap().1;
        let first = slot(1);
        assert_eq!(slot(1), first);
        uniforms.forget();
        let again = uniforms.slot(&guard, &[1u32; 4]).unwrap().1;
        assert_ne!(again, first);
        assert!(uniforms.flush(&guard), "the new slot is written");
        assert_eq!(uniforms.slot(&guard, &[1u32; 4]).unwrap().1, again);
        assert!(!uniforms.flush(&guard), "nothing is left to write");
    }

    #[test]
    fn a_chunk_that_is_refused_leaves_the_full_one() {
        let (guard, mut uniforms) = opened();
        for number in 0..SLOTS as u32 {
            uniforms.slot(&guard, &[number; 4]).unwrap();
        }
        let chunk = uniforms.chunk.clone();
        rig::refuse_after(0);
        let refused = uniforms.slot(&guard, &[u32::MAX; 4]);
        assert!(matches!(refused, Err(Error::OutOfMemory { .. })), "{refused:?}");
        assert_eq!((&uniforms.chunk, uniforms.chunks()), (&chunk, 1));
        assert_eq!(uniforms.slot(&guard, &[5u32; 4]).unwrap().1, 5 * uniforms.slot_bytes as u32);
        assert_eq!(uniforms.slot(&guard, &[u32::MAX; 4]).unwrap().1, 0);
        assert_eq!(uniforms.chunks(), 2);
    }

    #[test]
    fn a_slot_holds_the_largest_struct() {
        let limits = Limits { min_uniform_buffer_offset_alignment: 64, ..Limits::default() };
        assert!(slot_bytes(&limits) >= size_of::<crate::step::layout::UpdateConfig>() as u64);
        assert!(slot_bytes(&limits).is_multiple_of(64));
    }
}
