//! One device for all tests, modules of tables, and exact tensors.

use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor, TensorData};
use sparse_adam::{Probe, Tuning};
use sparse_adam_burn::{Gpu, SparseAdam, SparseEmbedding};
use std::sync::OnceLock;

pub use sparse_adam_testkit::Rng;

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

/// Whether the adapter's arithmetic is such that bits can be asked for.
pub fn is_exact() -> bool {
    static EXACT: OnceLock<bool> = OnceLock::new();
    *EXACT.get_or_init(|| {
        let (device, queue) = (gpu().wgpu(), gpu().queue());
        let own = Tuning::for_adapter(&device.adapter_info());
        let probe = pollster::block_on(Probe::run(device, queue, 1)).unwrap();
        probe.has_bits_of_twin(own.arithmetic)
    })
}

pub fn assert_same(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        let near = !is_exact() && (a - b).abs() <= 1e-6 + 2e-6 * b.abs();
        let same = a.to_bits() == b.to_bits() || near;
        assert!(same, "{what}: element {i} is {a:e}, expected {b:e}");
    }
}

/// `count` ids of a table of `rows`.
pub fn draw_ids(rng: &mut Rng, rows: usize, count: usize) -> Vec<i32> {
    (0..count).map(|_| rng.below(rows) as i32).collect()
}
