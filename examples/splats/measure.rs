//! What a step and a remap take, against the number of splats.

use super::densify::Growth;
use super::fit::{Fit, Options};
use super::model::Purpose;
use super::picture::Picture;
use super::scene::{Splats, TENSORS};
use sparse_adam::Error;
use sparse_adam_testkit::headless::Gpu;
use std::time::Instant;

/// Times that each is measured; the least counts, as others may use the machine.
const TIMES: usize = 21;

/// Prints a table: for each number of splats the milliseconds of drawing and differentiating, of a whole step, and of
/// remapping all five tensors and their moments, each submitted and waited for by itself.
pub async fn measure(gpu: &Gpu, target: &Picture, options: Options) -> Result<(), Error> {
    println!("  splats  draw, ms  step, ms  remap, ms  remap, MB");
    for rows in [500, 1000, 2000, 4000, 8000, 16000] {
        let options = Options { splats: rows, most: rows, ..options };
        let mut fit = Fit::new(gpu.clone(), target.clone(), options)?;
        // The first step builds pipelines, the first remaps the second pool's.
        let (steps, draws, remaps) = (
            least(|| fit.step().map(drop), gpu)?,
            least(|| draw(&fit), gpu)?,
            least(|| remap_all(&mut fit), gpu)?,
        );
        let values: u32 = TENSORS.iter().map(|tensor| tensor.dim).sum();
        // The parameter and both moments, read and written; the map, read per tensor.
        let bytes = u64::from(rows) * (3 * 2 * 4 * u64::from(values) + 4 * TENSORS.len() as u64);
        println!(
            "{rows:>8}  {draws:>8.2}  {steps:>8.2}  {remaps:>9.2}  {:>9.2}",
            bytes as f64 / 1e6
        );
    }
    Ok(())
}

fn draw(fit: &Fit) -> Result<(), Error> {
    let tiles: Vec<u32> = (0..fit.options.tiles).collect();
    fit.gpu.submit(|encoder| {
        fit.model.draw(&fit.gpu, encoder, &tiles, Purpose::Step);
        Ok(())
    })
}

/// Every row to the place that it has.
fn remap_all(fit: &mut Fit) -> Result<(), Error> {
    let from = (0..fit.model.rows).collect();
    let growth = Growth { from, new: Splats::default(), pruned: 0, cloned: 0, split: 0 };
    fit.model.remap(&fit.gpu, &mut fit.optimizer, &growth)
}

fn least(mut work: impl FnMut() -> Result<(), Error>, gpu: &Gpu) -> Result<f64, Error> {
    let mut least = f64::INFINITY;
    for _ in 0..TIMES {
        gpu.wait()?;
        let start = Instant::now();
        work()?;
        gpu.wait()?;
        least = least.min(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(least)
}
