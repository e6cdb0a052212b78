//! Gaussians on the host: five tensors, and where they lie in a pool on the GPU.

use super::picture::Picture;
use sparse_adam_testkit::Rng;
use std::ops::Range;

/// A tensor of the model, `[rows, dim]`.
#[derive(Clone, Copy)]
pub struct Tensor {
    pub name: &'static str,
    pub dim: u32,
    /// Its learning rate at the start, in the tensor's own unit.
    pub lr: f64,
}

/// Which tensor is which.
pub const POSITION: usize = 0;
pub const SCALE: usize = 1;
pub const ROTATION: usize = 2;
pub const COLOUR: usize = 3;
pub const OPACITY: usize = 4;

/// All of them, a parameter and a group each.
pub const TENSORS: [Tensor; 5] = [
    // The centre, in pixels.
    Tensor { name: "position", dim: 2, lr: 0.3 },
    // The logarithm of the standard deviations along both axes, in pixels.
    Tensor { name: "scale", dim: 2, lr: 0.03 },
    // The angle of the first axis, in radians.
    Tensor { name: "rotation", dim: 1, lr: 0.03 },
    // Red, green, blue; 0 to 1 are shown.
    Tensor { name: "colour", dim: 3, lr: 0.015 },
    // The logit of the opacity.
    Tensor { name: "opacity", dim: 1, lr: 0.05 },
];

/// Splats on the host: the values of each tensor, row by row.
#[derive(Clone, Default)]
pub struct Splats {
    pub tensors: [Vec<f32>; 5],
}

impl Splats {
    pub fn len(&self) -> usize {
        self.tensors[ROTATION].len()
    }

    /// A tensor's row.
    pub fn row(&self, tensor: usize, row: usize) -> &[f32] {
        let dim = TENSORS[tensor].dim as usize;
        &self.tensors[tensor][row * dim..][..dim]
    }

    /// Adds a copy of a row of `from`, and returns its number.
    pub fn push(&mut self, from: &Self, row: usize) -> usize {
        for (tensor, values) in self.tensors.iter_mut().enumerate() {
            values.extend_from_slice(from.row(tensor, row));
        }
        self.len() - 1
    }

    pub fn opacity(&self, row: usize) -> f32 {
        1.0 / (1.0 + (-self.tensors[OPACITY][row]).exp())
    }

    /// `rows` splats strewn evenly over a picture, round, with the colours that are there.
    pub fn strewn(picture: &Picture, rows: u32, seed: u64) -> Self {
        let (width, height) = (f64::from(picture.width), f64::from(picture.height));
        let spacing = (width * height / f64::from(rows)).sqrt();
        let mut random = Rng::of_stream(seed, 0);
        let mut splats = Self::default();
        for row in 0..rows {
            // Multiples of the two constants that fill a square most evenly (Roberts 2018), and some noise.
            let along = |step: f64| (0.5 + step * f64::from(row + 1)).fract();
            let noise = |random: &mut Rng| 0.3 * spacing * f64::from(random.signed());
            let inside = |at: f64, size: f64| at.clamp(0.5, size - 0.5);
            let x = inside(along(0.754_877_666_246_692_8) * width + noise(&mut random), width);
            let y = inside(along(0.569_840_290_998_053_3) * height + noise(&mut random), height);
            let pixel = picture.pixels[y as usize * picture.width as usize + x as usize];
            let scale = (0.6 * spacing).ln() as f32;
            let values: [&[f32]; 5] =
                [&[x as f32, y as f32], &[scale, scale], &[3.0 * random.signed()], &pixel, &[0.0]];
            splats
                .tensors
                .iter_mut()
                .zip(values)
                .for_each(|(tensor, row)| tensor.extend_from_slice(row));
        }
        splats
    }
}

/// Where the tensors of up to `most` splats lie in a pool of f32, and two statistics per splat behind them.
#[derive(Clone, Copy)]
pub struct Layout {
    pub most: u32,
}

/// A binding may start at any multiple of so many f32: 256 bytes.
const ALIGNED: u32 = 64;

impl Layout {
    /// Where a tensor starts; the statistics, where it is the number after the last.
    pub fn start(&self, tensor: usize) -> u32 {
        let sizes = TENSORS[..tensor].iter().map(|tensor| self.most * tensor.dim);
        sizes.map(|size| size.next_multiple_of(ALIGNED)).sum()
    }

    /// All f32 of a pool, with the statistics.
    pub fn size(&self) -> u32 {
        self.start(TENSORS.len()) + 2 * self.most
    }

    /// The bytes of rows of a tensor.
    pub fn bytes(&self, tensor: usize, rows: Range<u32>) -> Range<u64> {
        let byte = |row: u32| {
            4 * (u64::from(self.start(tensor)) + u64::from(TENSORS[tensor].dim) * u64::from(row))
        };
        byte(rows.start)..byte(rows.end)
    }

    /// The first `rows` splats of a pool.
    pub fn splats(&self, pool: &[f32], rows: u32) -> Splats {
        let tensor = |tensor: usize| {
            let values = (rows * TENSORS[tensor].dim) as usize;
            pool[self.start(tensor) as usize..][..values].to_vec()
        };
        Splats { tensors: std::array::from_fn(tensor) }
    }

    /// The statistics of the first `rows` splats: the sum of what their pixels' gradients move them by, and the
    /// steps that saw them.
    pub fn statistics<'a>(&self, pool: &'a [f32], rows: u32) -> &'a [[f32; 2]] {
        let values = &pool[self.start(TENSORS.len()) as usize..][..2 * rows as usize];
        values.as_chunks().0
    }
}
