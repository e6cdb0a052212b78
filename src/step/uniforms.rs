//! Uniform slots that are written once in their life.
//!
//! `Queue::write_buffer` takes effect before the *next submit*, so a slot that two steps in one
//! encoder both wrote would give both the last value. A slot is therefore never written again;
//! and because it never changes, equal contents share one.

use crate::Region;
use std::collections::HashMap;
use wgpu::{Buffer, BufferDescriptor, BufferUsages, Device, Queue};

/// Slots a chunk; a full chunk is let go and a new one begun.
const SLOTS: u64 = 1024;
/// Bytes of the largest uniform struct.
const LARGEST: u64 = 96;

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
    pub fn new(device: &Device) -> Self {
        let alignment = u64::from(device.limits().min_uniform_buffer_offset_alignment);
        let slot_bytes = LARGEST.next_multiple_of(alignment);
        Self {
            chunk: create(device, slot_bytes),
            slot_bytes,
            slots: HashMap::new(),
            unwritten: Vec::new(),
            unwritten_from: 0,
            chunks: 1,
        }
    }

    /// A slot that holds `value`: its buffer's region (the binding at dynamic offset 0) and its
    /// dynamic offset.
    pub fn slot<T: bytemuck::Pod>(
        &mut self,
        device: &Device,
        queue: &Queue,
        value: &T,
    ) -> (Region, u32) {
        let bytes = bytemuck::bytes_of(value);
        let offset = match self.slots.get(bytes) {
            Some(&offset) => offset,
            None => self.take(device, queue, bytes),
        };
        (Region::from(self.chunk.slice(..bytes.len() as u64)), offset)
    }

    fn take(&mut self, device: &Device, queue: &Queue, bytes: &[u8]) -> u32 {
        let mut offset = self.unwritten_from + self.unwritten.len() as u64;
        if offset == SLOTS * self.slot_bytes {
            self.flush(queue);
            self.chunk = create(device, self.slot_bytes);
            self.chunks += 1;
            self.slots.clear();
            self.unwritten_from = 0;
            offset = 0;
        }
        self.unwritten.extend_from_slice(bytes);
        self.unwritten.resize((offset - self.unwritten_from + self.slot_bytes) as usize, 0);
        self.slots.insert(bytes.into(), offset as u32);
        offset as u32
    }

    /// Writes the slots taken since the last flush; to be called before the step returns.
    pub fn flush(&mut self, queue: &Queue) {
        if !self.unwritten.is_empty() {
            queue.write_buffer(&self.chunk, self.unwritten_from, &self.unwritten);
            self.unwritten_from += self.unwritten.len() as u64;
            self.unwritten.clear();
        }
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

fn create(device: &Device, slot_bytes: u64) -> Buffer {
    device.create_buffer(&BufferDescriptor {
        label: Some("sparse_adam::uniforms"),
        size: SLOTS * slot_bytes,
        usage: BufferUsages::UNIFORM | BufferUsages::COPY_DST,
        mapped_at_creation: false,
    })
}
