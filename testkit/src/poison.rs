//! Regions between words that nobody may touch.

use crate::Rng;
use crate::headless::Gpu;
use bytemuck::Pod;
use sparse_adam::{Error, IndexDtype, Region};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use wgpu::Buffer;

/// What lies around every region: a NaN whose bits no computation makes.
const POISON: u32 = 0x7fc0_dead;

/// A region at a non-zero offset of a buffer that is otherwise poison: whoever reads past its ends
/// gets NaN, whoever writes there is found out.
#[derive(Debug)]
pub struct Poisoned {
    /// The region.
    pub region: Region,
    /// The bytes of its buffer that are it, or poison around it.
    all: Range<u64>,
    bytes: u64,
    /// Of what was put inside.
    hash: u64,
}

/// What is found in and around a region.
#[derive(Debug)]
pub struct Inspected<T> {
    /// What is inside.
    pub contents: Vec<T>,
    /// Whether the poison around it is as it was.
    pub is_whole: bool,
    /// Whether what is inside is as it was.
    pub is_unchanged: bool,
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

impl Poisoned {
    /// A region that holds `contents`.
    pub fn new<T: Pod>(gpu: &Gpu, contents: &[T]) -> Self {
        let contents: &[u8] = bytemuck::cast_slice(contents);
        let guard = guard(gpu);
        let words = between_poison(guard, contents);
        let buffer = gpu.upload("poisoned", &words);
        Self::within(&buffer, (0..buffer.size(), guard), contents)
    }

    /// What lies at `all` of a buffer: `contents` and poison, of which `guard` bytes are before it.
    fn within(buffer: &Buffer, (all, guard): (Range<u64>, u64), contents: &[u8]) -> Self {
        let bytes = contents.len() as u64;
        let start = all.start + guard;
        let region = Region::from(buffer.slice(start..start + bytes.max(4)));
        Self { region, all, bytes, hash: hash(contents) }
    }

    /// Reads the region and all around it, after everything submitted so far.
    ///
    /// # Errors
    /// As [`Gpu::read`].
    pub async fn inspect<T: Pod>(&self, gpu: &Gpu) -> Result<Inspected<T>, Error> {
        let all: Vec<u8> = gpu.read(self.region.buffer().slice(self.all.clone())).await?;
        let start = (self.region.offset() - self.all.start) as usize;
        let inside = start..start + self.bytes as usize;
        let poison = POISON.to_ne_bytes();
        let mut around = (0..start).chain(inside.end..all.len());
        let is_whole = around.all(|at| all[at] == poison[at % 4]);
        let inside = &all[inside];
        Ok(Inspected {
            contents: bytemuck::pod_collect_to_vec(inside),
            is_whole,
            is_unchanged: hash(inside) == self.hash,
        })
    }

    /// What is inside.
    ///
    /// # Panics
    /// Where the poison around it was touched, or the device cannot read it.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn read<T: Pod>(&self, gpu: &Gpu) -> Vec<T> {
        let inspected = pollster::block_on(self.inspect(gpu));
        let Inspected { contents, is_whole, .. } = inspected.expect("the region can be read");
        assert!(is_whole, "the poison was touched");
        contents
    }
}

/// Bytes of poison on each side.
fn guard(gpu: &Gpu) -> u64 {
    u64::from(gpu.device.limits().min_storage_buffer_offset_alignment).max(256)
}

fn between_poison(guard: u64, contents: &[u8]) -> Vec<u32> {
    let bytes = (contents.len() as u64).next_multiple_of(4);
    let mut words = vec![POISON; (2 * guard + bytes) as usize / 4];
    let inside = guard as usize..guard as usize + contents.len();
    bytemuck::cast_slice_mut::<_, u8>(&mut words)[inside].copy_from_slice(contents);
    words
}

/// One buffer for many regions, which lie in it in any order, with gaps and poison between them.
#[derive(Debug)]
pub struct Pool {
    buffer: Buffer,
    /// The bytes that none has yet.
    free: Range<u64>,
    rng: Rng,
}

impl Pool {
    /// A pool of so many bytes, a multiple of the alignment of storage bindings.
    pub fn new(gpu: &Gpu, bytes: u64, rng: &mut Rng) -> Self {
        let buffer = gpu.upload("pool", &vec![POISON; bytes as usize / 4]);
        Self { buffer, free: 0..bytes, rng: Rng(rng.next()) }
    }

    /// A region that holds `contents`; in a buffer of its own where there is no room, or now and then.
    pub fn place<T: Pod>(&mut self, gpu: &Gpu, contents: &[T]) -> Poisoned {
        let guard = guard(gpu);
        let bytes: &[u8] = bytemuck::cast_slice(contents);
        let words = between_poison(guard, bytes);
        let gap = guard * self.rng.below(4) as u64;
        let taken = (4 * words.len() as u64).next_multiple_of(guard);
        if taken + gap > self.free.end - self.free.start || self.rng.below(40) == 0 {
            return Poisoned::new(gpu, contents);
        }
        let start = match self.rng.below(2) {
            0 => {
                self.free.start += gap + taken;
                self.free.start - taken
            }
            _ => {
                self.free.end -= gap + taken;
                self.free.end
            }
        };
        gpu.queue.write_buffer(&self.buffer, start, bytemuck::cast_slice(&words));
        let all = start..start + 4 * words.len() as u64;
        Poisoned::within(&self.buffer, (all, guard), bytes)
    }
}

/// An index list as it lies in memory.
pub fn encode(indices: &[i64], format: IndexDtype) -> Vec<u8> {
    let bytes = |&index: &i64| match format {
        IndexDtype::I64 => index.to_le_bytes().to_vec(),
        IndexDtype::I32 => (index as i32).to_le_bytes().to_vec(),
        _ => (index as u32).to_le_bytes().to_vec(),
    };
    indices.iter().flat_map(bytes).collect()
}
