//! Training that stops and goes on: the embedding in one file, the optimizer's state in another.

use crate::model::{Model, Shape};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use sparse_adam::SparseAdam;
use sparse_adam_testkit::headless::Gpu;
use std::collections::HashMap;
use std::error::Error;
use std::path::{Path, PathBuf};

/// Where training stands: what a resumed run must have in common with the saved one.
#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Progress {
    /// Epochs done.
    pub epochs: u32,
    /// Steps that the optimizer has counted, which ties the two files together.
    pub steps: u64,
    pub batch: u32,
    pub negatives: u32,
    pub lr: f64,
    pub seed: u64,
}

/// Writes the embedding to `path` and the optimizer's state beside it.
pub fn save(
    path: &Path,
    gpu: &Gpu,
    model: &Model,
    optimizer: &SparseAdam,
    progress: &Progress,
) -> Result<(), Box<dyn Error>> {
    pollster::block_on(optimizer.save(state_path(path)))?;
    let values = model.values_of(&pollster::block_on(gpu.read(&model.embedding))?);
    let shape = vec![model.shape.nouns as usize, model.shape.dim as usize];
    let view = TensorView::new(Dtype::F32, shape, bytemuck::cast_slice(&values))?;
    let metadata = [("progress".to_string(), serde_json::to_string(progress)?)];
    let metadata = Some(HashMap::from(metadata));
    safetensors::serialize_to_file([("nouns", view)], metadata, path)?;
    Ok(())
}

/// Reads a saved embedding `[nouns, dim]` and how far its training was.
pub fn load(path: &Path, shape: Shape) -> Result<(Vec<f32>, Progress), Box<dyn Error>> {
    let bytes = std::fs::read(path)?;
    let (_, header) = SafeTensors::read_metadata(&bytes)?;
    let progress = header.metadata().as_ref().and_then(|metadata| metadata.get("progress"));
    let progress = serde_json::from_str(progress.ok_or("not an embedding of this example")?)?;
    let file = SafeTensors::deserialize(&bytes)?;
    let tensor = file.tensor("nouns")?;
    if tensor.shape() != [shape.nouns as usize, shape.dim as usize] {
        return Err(format!("the saved embedding is {:?}", tensor.shape()).into());
    }
    Ok((bytemuck::pod_collect_to_vec(tensor.data()), progress))
}

/// Loads the optimizer's state that was saved with an embedding.
pub fn load_state(
    path: &Path,
    model: &Model,
    optimizer: &mut SparseAdam,
    progress: &Progress,
) -> Result<(), Box<dyn Error>> {
    optimizer.load(state_path(path))?;
    if optimizer.step_count(model.param)? != progress.steps {
        return Err("embedding and optimizer state were not saved together".into());
    }
    Ok(())
}

/// `<path>` with `.optimizer.safetensors` in place of its ending.
fn state_path(path: &Path) -> PathBuf {
    path.with_extension("optimizer.safetensors")
}
