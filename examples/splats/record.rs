//! A run in a file, so that check.py can repeat it in torch: the start, the target, the tiles and learning rates of each
//! step, and the PSNR that came of them.

use super::chart::Point;
use super::picture::Picture;
use super::scene::{Splats, TENSORS};
use safetensors::{Dtype, View};
use std::borrow::Cow;
use std::error::Error;
use std::path::Path;

/// What a run did.
pub struct Record {
    pub start: Splats,
    /// Per step its tiles, and the learning rate of each tensor.
    pub steps: Vec<(Vec<u32>, [f64; 5])>,
}

impl Record {
    pub fn save(
        &self,
        path: &Path,
        target: &Picture,
        curve: &[Point],
    ) -> Result<(), Box<dyn Error>> {
        let mut tensors = Vec::new();
        for (tensor, values) in TENSORS.iter().zip(&self.start.tensors) {
            let shape = vec![self.start.len(), tensor.dim as usize];
            tensors.push((tensor.name, Values::new(Dtype::F32, shape, values)));
        }
        let pixels = vec![target.height as usize, target.width as usize, 3];
        tensors.push(("target", Values::new(Dtype::F32, pixels, target.pixels.as_flattened())));
        // The last step of a round may have fewer tiles: -1 stands for none.
        let chosen = self.steps.iter().map(|(tiles, _)| tiles.len()).max().unwrap_or(0);
        let padded = |tiles: &Vec<u32>| {
            (0..chosen).map(|at| tiles.get(at).map_or(-1, |&tile| i64::from(tile))).collect()
        };
        let tiles: Vec<Vec<i64>> = self.steps.iter().map(|(tiles, _)| padded(tiles)).collect();
        let rates: Vec<[f64; 5]> = self.steps.iter().map(|step| step.1).collect();
        let points: Vec<[f64; 2]> =
            curve.iter().map(|point| [point.step.into(), point.psnr]).collect();
        let steps = self.steps.len();
        tensors.push(("tiles", Values::new(Dtype::I64, vec![steps, chosen], &tiles.concat())));
        tensors.push(("rates", Values::new(Dtype::F64, vec![steps, 5], rates.as_flattened())));
        tensors
            .push(("curve", Values::new(Dtype::F64, vec![points.len(), 2], points.as_flattened())));
        Ok(safetensors::serialize_to_file(tensors, None, path)?)
    }
}

struct Values {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Values {
    fn new<T: bytemuck::NoUninit>(dtype: Dtype, shape: Vec<usize>, values: &[T]) -> Self {
        Self { dtype, shape, bytes: bytemuck::cast_slice(values).to_vec() }
    }
}

impl View for Values {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::from(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}
