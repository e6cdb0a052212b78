//! Regions between words that nobody may touch.

use crate::headless::Gpu;
use bytemuck::Pod;
use sparse_adam::{Error, IndexDtype, Region};
use std::hash::{DefaultHasher, Hash, Hasher};

/// What lies around every region: a NaN whose bits no computation makes.
const POISON: u32 = 0x7fc0_dead;

/// A region at a non-zero offset of a buffer that is otherwise poison: whoever reads past its ends
/// gets NaN, whoever writes there is found out.
#[derive(Debug)]
pub struct Poisoned {
    /// The region.
    pub region: Region,
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
        let guard = u64::from(gpu.device.limits().min_storage_buffer_offset_alignment).max(256);
        let bytes = contents.len() as u64;
        let mut words = vec![POISON; (2 * guard + bytes.next_multiple_of(4)) as usize / 4];
        let inside = guard as usize..guard as usize + contents.len();
        bytemuck::cast_slice_mut::<_, u8>(&mut words)[inside].copy_from_slice(contents);
        let buffer = gpu.upload("poisoned", &words);
        let region = Region::from(buffer.slice(guard..guard + bytes.max(4)));
        Self { region, bytes, hash: hash(contents) }
    }

    /// Reads the region and all around it, after everything submitted so far.
    ///
    /// # Errors
    /// As [`Gpu::read`].
    pub async fn inspect<T: Pod>(&self, gpu: &Gpu) -> Result<Inspected<T>, Error> {
        let all: Vec<u8> = gpu.read(self.region.buffer()).await?;
        let start = self.region.offset() as usize;
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

/// An index list as it lies in memory.
pub fn encode(indices: &[i64], format: IndexDtype) -> Vec<u8> {
    let bytes = |&index: &i64| match format {
        IndexDtype::I64 => index.to_le_bytes().to_vec(),
        IndexDtype::I32 => (index as i32).to_le_bytes().to_vec(),
        _ => (index as u32).to_le_bytes().to_vec(),
    };
    indices.iter().flat_map(bytes).collect()
}
