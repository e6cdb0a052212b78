//! The training loop, with a progress bar.

use crate::model::Model;
use crate::sampler::Sampler;
use indicatif::{ProgressBar, ProgressStyle};
use sparse_adam::SparseAdam;
use sparse_adam_testkit::headless::Gpu;
use std::error::Error;
use std::time::{Duration, Instant};

/// Most batches between two looks at the loss. Looking waits for the GPU, so this also bounds how
/// many uploads are pending; in between, the host only samples and submits.
const BATCHES_A_LOOK: u64 = 20;

/// The loss along the way: means over some batches, each at its middle, in epochs from 0.
pub type Curve = Vec<(f64, f64)>;

/// Trains for `epochs`, and prints a line after each.
///
/// All that carries over from one epoch to the next is the embedding and the optimizer's
/// state: the place to save is the end of an epoch, the place to resume is `epochs.start`.
pub fn train(
    gpu: &Gpu,
    model: &Model,
    optimizer: &mut SparseAdam,
    sampler: &Sampler<'_>,
    epochs: std::ops::Range<u32>,
) -> Result<Curve, Box<dyn Error>> {
    let mut curve = Curve::new();
    let bar = bar(epochs.len() * sampler.pairs.len())?;
    let (last, width) = (epochs.end, epochs.end.to_string().len());
    for epoch in epochs {
        let start = Instant::now();
        let loss = train_epoch(gpu, model, optimizer, sampler, epoch, &bar, &mut curve)?;
        let seconds = start.elapsed().as_secs_f64();
        let rate = sampler.pairs.len() as f64 / seconds / 1e3;
        let epoch = epoch + 1;
        bar.suspend(|| {
            println!(
                "epoch {epoch:>width$}/{last}  loss {loss:.4}  {seconds:.1} s  {rate:.0}k pairs/s"
            );
        });
    }
    bar.finish_and_clear();
    Ok(curve)
}

/// Trains one epoch; returns its mean loss.
fn train_epoch(
    gpu: &Gpu,
    model: &Model,
    optimizer: &mut SparseAdam,
    sampler: &Sampler<'_>,
    epoch: u32,
    bar: &ProgressBar,
    curve: &mut Curve,
) -> Result<f64, Box<dyn Error>> {
    let (all, mut done, mut epoch_loss) = (sampler.pairs.len() as u64, 0, 0.0);
    let (mut batches, mut ids) = (sampler.epoch(epoch), Vec::new());
    // Evenly many batches a look, so that no point of the curve is a mean of only a few.
    let count = all.div_ceil(sampler.batch.into());
    let batches_a_look = count.div_ceil(count.div_ceil(BATCHES_A_LOOK));
    while done < all {
        let mut pairs = 0;
        for _ in 0..batches_a_look {
            let drawn = batches.next_batch(&mut ids);
            if drawn == 0 {
                break;
            }
            gpu.submit(|encoder| model.record(&gpu.queue, optimizer, encoder, &ids))?;
            pairs += u64::from(drawn);
        }
        let loss = take_loss(gpu, model)?;
        let mean = loss / pairs as f64;
        let middle = (done as f64 + pairs as f64 / 2.0) / all as f64;
        curve.push((f64::from(epoch) + middle, mean));
        done += pairs;
        epoch_loss += loss;
        bar.set_message(format!("epoch {}, loss {mean:.4}", epoch + 1));
        bar.inc(pairs);
    }
    Ok(epoch_loss / all as f64)
}

/// Reads the sum of the losses since the last look, and sets it to 0.
fn take_loss(gpu: &Gpu, model: &Model) -> Result<f64, Box<dyn Error>> {
    let total: Vec<f32> = pollster::block_on(gpu.read(&model.total))?;
    gpu.queue.write_buffer(&model.total, 0, &[0; 4]);
    Ok(total[0].into())
}

fn bar(pairs: usize) -> Result<ProgressBar, Box<dyn Error>> {
    let template = "{msg} {wide_bar:.cyan/dim} {rate} pairs/s, {eta} left";
    let rate = |state: &indicatif::ProgressState, text: &mut dyn std::fmt::Write| {
        // A bar's own text; there is nobody to tell if it cannot be written.
        let _ = write!(text, "{:.0}k", state.per_sec() / 1e3);
    };
    let style = ProgressStyle::with_template(template)?.with_key("rate", rate);
    let bar = ProgressBar::new(pairs as u64).with_style(style.progress_chars("━╸━"));
    bar.enable_steady_tick(Duration::from_millis(250));
    Ok(bar)
}
