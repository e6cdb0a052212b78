//! One device for all tests, modules of tables, and exact tensors.

use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor, TensorData};
use sparse_adam_burn::{Gpu, SparseAdam, SparseEmbedding};
use std::sync::OnceLock;

/// The device, opened once: burn's choice, which `BURN_DEVICE` does not change.
pub fn gpu() -> &'static Gpu {
    static GPU: OnceLock<Gpu> = OnceLock::new();
    GPU.get_or_init(|| {
        let gpu = Gpu::open(Device::wgpu_options()).expect("the suite needs an adapter");
        let info = gpu.wgpu().adapter_info();
        eprintln!("adapter: {}, {}", info.name, info.backend);
        gpu
    })
}

pub fn training() -> Device {
    gpu().device().autodiff()
}

/// Embeddings, by number.
#[derive(Module, Debug)]
pub struct Tables {
    pub tables: Vec<SparseEmbedding>,
}

pub fn embedding(values: Vec<f32>, dim: usize) -> SparseEmbedding {
    let shape = [values.len() / dim, dim];
    SparseEmbedding {
        weight: Param::from_data(TensorData::new(values, shape), &training()),
    }
}

/// One table of `rows` rows, seeded, and an optimizer that has it as `t`.
pub fn single(rows: usize, dim: usize, seed: u64) -> (Tables, SparseAdam) {
    let values = Rng(seed).floats(rows * dim);
    let module = Tables {
        tables: vec![embedding(values, dim)],
    };
    let mut optimizer = SparseAdam::new(gpu(), Default::default()).unwrap();
    optimizer.add("t", &module.tables[0].weight).unwrap();
    (module, optimizer)
}

pub fn ids(ids: &[i32]) -> Tensor<1, Int> {
    let data = TensorData::new(ids.to_vec(), [ids.len()]);
    Tensor::from_data(data, &gpu().device())
}

pub fn rows(values: &[f32], dim: usize) -> Tensor<2> {
    let data = TensorData::new(values.to_vec(), [values.len() / dim, dim]);
    Tensor::from_data(data, &gpu().device())
}

pub fn read(tensor: Tensor<2>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

pub fn weight(embedding: &SparseEmbedding) -> Vec<f32> {
    read(embedding.weight.val().inner())
}

pub fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Whether the adapter rounds correctly and does not fuse, so that bits can be asked for.
pub fn is_exact() -> bool {
    let name = gpu().wgpu().adapter_info().name.to_lowercase();
    name.contains("llvmpipe") || name.contains("swiftshader")
}

pub fn assert_same(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        let near = !is_exact() && (a - b).abs() <= 1e-6 + 2e-6 * b.abs();
        let same = a.to_bits() == b.to_bits() || near;
        assert!(same, "{what}: element {i} is {a:e}, expected {b:e}");
    }
}

/// A seeded generator (splitmix64, Steele et al. 2014).
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    pub fn floats(&mut self, count: usize) -> Vec<f32> {
        let signed = |bits: u64| (bits >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
        (0..count).map(|_| signed(self.next())).collect()
    }

    pub fn ids(&mut self, rows: usize, count: usize) -> Vec<i32> {
        (0..count).map(|_| self.below(rows) as i32).collect()
    }
}
