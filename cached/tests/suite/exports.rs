//! What torch is given: a table and its state as they are exported, the gradients of the steps that follow, and what became of
//! the table. `cached/tests/torch_goes_on.py` goes on from there.

use crate::run::{DIM, ROWS, Run, batch, init};
use safetensors::tensor::{Dtype, TensorView};
use sparse_adam_cached::FileStore;
use sparse_adam_testkit::campaign::fresh_seed;
use sparse_adam_testkit::gpus;
use std::path::PathBuf;

/// Where the files are to be.
const FOLDER: &str = "SPARSE_ADAM_EXPORTS_TO";
/// Steps before the export, and after it.
const STEPS: u64 = 20;
const MORE: u64 = 5;

#[test]
#[ignore = "scripts/test-cached.sh runs it, and gives torch what it writes"]
fn writes_what_torch_goes_on_from() {
    let folder = PathBuf::from(std::env::var(FOLDER).unwrap());
    let seed = fresh_seed();
    let open = |layout| FileStore::open(folder.join("items"), ROWS, layout, init());
    let mut run = Run::new(&gpus()[0], seed, open).unwrap();
    (0..STEPS).for_each(|_| run.step().unwrap());
    run.table.export_weights(&mut run.adam, folder.join("weights.safetensors")).unwrap();
    run.table.export_state(&mut run.adam, folder.join("state.safetensors")).unwrap();
    (0..MORE).for_each(|_| run.step().unwrap());
    run.table.export_weights(&mut run.adam, folder.join("after.safetensors")).unwrap();
    let mut tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
    for step in STEPS..STEPS + MORE {
        let (ids, values) = batch(seed, step);
        let entries = ids.len();
        let ids = ids.into_iter().flat_map(u64::to_le_bytes).collect();
        tensors.push((format!("ids.{step}"), Dtype::I64, vec![entries], ids));
        let values = bytemuck::cast_slice(&values).to_vec();
        tensors.push((format!("values.{step}"), Dtype::F32, vec![entries, DIM as usize], values));
    }
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        (name.as_str(), TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    let file = safetensors::serialize(views, None).unwrap();
    std::fs::write(folder.join("gradients.safetensors"), file).unwrap();
}
