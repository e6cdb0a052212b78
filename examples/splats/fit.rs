//! Fitting a picture: which tiles a step draws, the learning rates, and when splats are cloned, split and pruned. The
//! page has the same.

use super::densify::{self, Growth};
use super::model::{Model, Purpose, Shape};
use super::picture::Picture;
use super::scene::{Splats, TENSORS, Tensor};
use sparse_adam::lr_scheduler::{Schedule, cosine};
use sparse_adam::{AdamOptions, Error, SparseAdam};
use sparse_adam_testkit::Rng;
use sparse_adam_testkit::headless::Gpu;

/// The part of all steps after which splats are neither cloned, split nor pruned.
const GROWING: f64 = 0.7;
/// Second moments forget in a hundred steps: after a split gradients are of another size.
const BETAS: (f64, f64) = (0.9, 0.99);
/// What learning rates end at, of what they begin with.
const LAST_RATE: f64 = 0.05;

/// What may be chosen.
#[derive(Clone, Copy)]
pub struct Options {
    /// Splats at the start.
    pub splats: u32,
    /// Most splats.
    pub most: u32,
    pub steps: u32,
    /// Tiles per step.
    pub tiles: u32,
    /// Steps between two times that splats are cloned, split and pruned; 0: never.
    pub grow_every: u32,
    /// A dense Adam: every splat moves in every step.
    pub dense: bool,
    pub seed: u64,
}

/// The model's shape for a picture.
pub fn shape(target: &Picture, options: &Options) -> Shape {
    let &Options { tiles: chosen, most, dense, .. } = options;
    Shape { width: target.width, height: target.height, chosen, most, dense }
}

/// A picture and the splats that are to look like it.
pub struct Fit {
    pub gpu: Gpu,
    pub optimizer: SparseAdam,
    pub model: Model,
    pub target: Picture,
    pub options: Options,
    /// Steps done.
    pub done: u32,
    /// All tiles in random order; steps take them from the end.
    order: Vec<u32>,
    random: Rng,
}

impl Fit {
    /// Splats strewn over `target`.
    pub fn new(gpu: Gpu, target: Picture, options: Options) -> Result<Self, Error> {
        let rule = if options.dense {
            AdamOptions::torch_adam()
        } else {
            AdamOptions::torch_sparse_adam()
        };
        let mut optimizer = SparseAdam::new(&gpu.device, &gpu.queue, rule.betas(BETAS))?;
        let shape = shape(&target, &options);
        let splats = Splats::strewn(&target, options.splats, options.seed);
        let model = Model::new(&gpu, &mut optimizer, shape, &target, &splats)?;
        let random = Rng::of_stream(options.seed, 1);
        Ok(Self { gpu, optimizer, model, target, options, done: 0, order: Vec::new(), random })
    }

    /// The tiles of the next step: each is drawn once before any is drawn again.
    fn choose(&mut self) -> Vec<u32> {
        if self.order.is_empty() {
            self.order = (0..self.model.shape.tiles()).collect();
            self.random.shuffle(&mut self.order);
        }
        self.order.split_off(self.order.len().saturating_sub(self.options.tiles as usize))
    }

    /// The learning rates of the next step.
    pub fn rates(&self) -> [f64; 5] {
        let steps = self.options.steps.into();
        TENSORS.map(|Tensor { lr, .. }| cosine(steps, LAST_RATE * lr).lr(lr, self.done.into()))
    }

    /// Takes a step, and returns the tiles that it drew.
    pub fn step(&mut self) -> Result<Vec<u32>, Error> {
        let tiles = self.choose();
        for (group, rate) in self.optimizer.groups().zip(self.rates()) {
            self.optimizer.set_lr(group, rate)?;
        }
        let (model, gpu, optimizer) = (&self.model, &self.gpu, &mut self.optimizer);
        gpu.submit(|encoder| model.step(gpu, optimizer, encoder, &tiles))?;
        self.done += 1;
        Ok(tiles)
    }

    /// Whether splats are to be cloned, split and pruned after the step that was the last.
    pub fn is_growing_due(&self) -> bool {
        let Options { grow_every, steps, .. } = self.options;
        let growing = (GROWING * f64::from(steps)) as u32;
        grow_every > 0
            && self.done > 0
            && self.done <= growing
            && self.done.is_multiple_of(grow_every)
    }

    /// Clones, splits and prunes splats by the gradients since it last did; says what it did, if anything.
    pub async fn grow(&mut self) -> Result<Option<String>, Error> {
        let splats = self.model.read_splats(&self.gpu).await?;
        let (_, statistics) = self.model.read_grads(&self.gpu).await?;
        let most = self.options.most as usize;
        let growth = densify::plan(&splats, &statistics, most, &mut self.random);
        let Growth { pruned, cloned, split, .. } = growth;
        if pruned + cloned + split == 0 {
            return Ok(None);
        }
        self.model.remap(&self.gpu, &mut self.optimizer, &growth)?;
        Ok(Some(format!(
            "{pruned} pruned, {cloned} cloned, {split} split: {} splats",
            self.model.rows
        )))
    }

    /// Draws the whole picture.
    pub async fn picture(&self) -> Result<Picture, Error> {
        let all: Vec<u32> = (0..self.model.shape.tiles()).collect();
        for tiles in all.chunks(self.options.tiles as usize) {
            self.gpu.submit(|encoder| {
                self.model.draw(&self.gpu, encoder, tiles, Purpose::Show);
                Ok(())
            })?;
        }
        self.model.read_picture(&self.gpu).await
    }
}
