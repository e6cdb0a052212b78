//! A picture fitted with Gaussians in the browser: the native example's own files, with a loop that yields.

#[path = "../../splats/densify.rs"]
mod densify;
#[path = "../../splats/fit.rs"]
mod fit;
#[path = "../../splats/kernel.rs"]
mod kernel;
#[allow(dead_code, reason = "what only the native example checks and reads")]
#[path = "../../splats/model.rs"]
mod model;
#[allow(dead_code, reason = "files are the native example's")]
#[path = "../../splats/picture.rs"]
mod picture;
#[path = "../../splats/scene.rs"]
mod scene;

use crate::{Session, json};
use fit::{Fit, Options};
use picture::Picture;
use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::*;

/// What the page may choose.
#[derive(Deserialize)]
struct Choice {
    /// Pixels of the picture, across and down.
    size: u32,
    splats: u32,
    most: u32,
    steps: u32,
    tiles: u32,
    /// Steps between two times that splats are cloned, split and pruned; 0: never.
    grow_every: u32,
    seed: u64,
}

/// Where fitting is.
#[derive(Serialize)]
struct Look {
    step: u32,
    splats: u32,
    /// In dB.
    psnr: f64,
}

/// Gaussians that learn to be a picture.
#[wasm_bindgen]
pub struct Splatting {
    fit: Fit,
    drawn: Picture,
}

#[wasm_bindgen]
impl Splatting {
    /// Splats strewn over the example's picture. `options`:
    /// `{"size","splats","most","steps","tiles","grow_every","seed"}`.
    #[wasm_bindgen(constructor)]
    pub fn new(session: &Session, options: &str) -> Result<Splatting, JsError> {
        let Choice { size, splats, most, steps, tiles, grow_every, seed } =
            serde_json::from_str(options)?;
        let options = Options { splats, most, steps, tiles, grow_every, dense: false, seed };
        let target = Picture::dusk(size);
        let drawn = target.clone();
        Ok(Self { fit: Fit::new(session.gpu.clone(), target, options)?, drawn })
    }

    /// Takes up to `steps` steps, not more than there are, and draws the picture.
    pub async fn look(&mut self, steps: u32) -> Result<String, JsError> {
        for _ in 0..steps.min(self.fit.options.steps - self.fit.done) {
            self.fit.step()?;
            if self.fit.is_growing_due() {
                self.fit.grow().await?;
            }
        }
        self.drawn = self.fit.picture().await?;
        let psnr = self.drawn.psnr(&self.fit.target);
        json(&Look { step: self.fit.done, splats: self.fit.model.rows, psnr })
    }

    /// The picture as it was last drawn, at first the target: red, green, blue and alpha of each pixel.
    pub fn pixels(&self) -> Vec<u8> {
        self.drawn
            .bytes()
            .chunks_exact(3)
            .flat_map(|rgb| [rgb[0], rgb[1], rgb[2], u8::MAX])
            .collect()
    }
}
