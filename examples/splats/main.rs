//! Fits a picture with 2D Gaussians: five tensors, five learning rates, and in each step only the splats that a few
//! tiles of the picture see.
//!
//! Drawing, its derivative and the optimizer's step run on the GPU, in one encoder per step. Every so often splats are
//! cloned and split where the gradients are large, and pruned where they are faint: `remap_rows` takes the moments
//! of all five tensors along.
//!
//!     cargo run --release --example splats

mod chart;
mod densify;
mod files;
mod fit;
mod kernel;
mod measure;
mod model;
mod picture;
mod record;
mod scene;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod twin;

use chart::Point;
use clap::Parser;
use fit::{Fit, Options};
use indicatif::{ProgressBar, ProgressStyle};
use picture::Picture;
use record::Record;
use sparse_adam_testkit::headless::Gpu;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Most pixels of a picture: its pixels, as they are and as they are drawn, are one binding.
const MOST_PIXELS: u32 = 1 << 22;

/// Fits a picture with Gaussians.
#[derive(Parser)]
struct Arguments {
    /// A PNG to fit, in place of the picture that the example draws
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// Pixels of the example's own picture, across and down
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(16..=2048))]
    size: u32,
    /// Splats at the start
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=32768))]
    splats: u32,
    /// Most splats
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=32768))]
    most: u32,
    /// Steps
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,
    /// Tiles of 16 x 16 pixels per step
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=4096))]
    tiles: u32,
    /// Steps between two times that splats are cloned, split and pruned
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    grow_every: u32,
    /// Leave the splats at the start what they are: neither clone, split nor prune
    #[arg(long)]
    no_densify: bool,
    /// Move every splat in every step, as a dense Adam (the rule of torch's Adam)
    #[arg(long)]
    dense: bool,
    /// Same seed, same adapter: same picture, bit for bit
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Part of the name of the adapter to use, as `WGPU_ADAPTER_NAME`
    #[arg(long)]
    adapter: Option<String>,
    /// Fail where the picture ends further from its target than this PSNR, in dB
    #[arg(long, value_name = "DB")]
    at_least: Option<f64>,
    /// Write the run here, for check.py to repeat it in torch; needs --no-densify
    #[arg(long, value_name = "FILE", requires = "no_densify", conflicts_with = "dense")]
    record: Option<PathBuf>,
    /// Fit nothing; print what a step and a remap take, against the number of splats
    #[arg(long)]
    measure: bool,
    /// Folder for the pictures and the curve
    #[arg(long, default_value = "target/splats")]
    out: PathBuf,
}

fn main() -> ExitCode {
    match pollster::block_on(run(&Arguments::parse())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("splats: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let gpu = match &arguments.adapter {
        Some(name) => Gpu::open_named(name).await?,
        None => Gpu::open().await?,
    };
    println!("adapter    {}", gpu.describe());
    let target = match &arguments.image {
        Some(path) => files::load(path).map_err(|error| format!("{}: {error}", path.display()))?,
        None => Picture::dusk(arguments.size),
    };
    let options = arguments.options();
    println!("picture    {} x {}, {} tiles per step", target.width, target.height, options.tiles);
    check(&target, &options, &gpu)?;
    if arguments.measure {
        return Ok(measure::measure(&gpu, &target, options).await?);
    }
    let start = Instant::now();
    let mut fit = Fit::new(gpu, target, options)?;
    let mut record = Record { start: fit.model.read_splats(&fit.gpu).await?, steps: Vec::new() };
    let curve = train(&mut fit, &mut record).await?;
    let seconds = start.elapsed().as_secs_f64();
    let fitted = fit.picture().await?;
    write(arguments, &fit, &fitted, &curve)?;
    let (psnr, splats) = (fitted.psnr(&fit.target), fit.model.rows);
    println!("fitted     {psnr:.2} dB with {splats} splats after {} steps", fit.done);
    println!("time       {seconds:.1} s, {:.2} ms per step", 1e3 * seconds / f64::from(fit.done));
    if let Some(path) = &arguments.record {
        record.save(path, &fit.target, &curve)?;
    }
    match arguments.at_least {
        Some(floor) if psnr.is_nan() || psnr < floor => {
            Err(format!("{psnr:.2} dB, below the {floor} dB asked for").into())
        }
        _ => Ok(()),
    }
}

impl Arguments {
    fn options(&self) -> Options {
        Options {
            splats: self.splats,
            most: self.most.max(self.splats),
            steps: self.steps,
            tiles: self.tiles,
            grow_every: if self.no_densify { 0 } else { self.grow_every },
            dense: self.dense,
            seed: self.seed,
        }
    }
}

/// Checks that the adapter can take the picture.
fn check(target: &Picture, options: &Options, gpu: &Gpu) -> Result<(), Box<dyn Error>> {
    let pixels = target.pixels.len();
    if pixels > MOST_PIXELS as usize {
        return Err(format!(
            "the picture has {pixels} pixels, more than {MOST_PIXELS}: make it smaller"
        )
        .into());
    }
    let shape = fit::shape(target, options);
    let (bytes, limit) =
        (shape.largest_binding(), gpu.device.limits().max_storage_buffer_binding_size);
    if bytes > limit {
        let found = format!("a buffer takes {bytes} bytes, the adapter binds at most {limit}");
        return Err(format!("{found}: choose a smaller picture, --most or --tiles").into());
    }
    Ok(())
}

/// Takes all steps, with a progress bar; returns the PSNR along the way.
async fn train(fit: &mut Fit, record: &mut Record) -> Result<Vec<Point>, Box<dyn Error>> {
    let template = "{msg} {wide_bar:.cyan/dim} {pos}/{len}, {eta} left";
    let style = ProgressStyle::with_template(template)?.progress_chars("━╸━");
    let bar = ProgressBar::new(fit.options.steps.into()).with_style(style);
    bar.enable_steady_tick(Duration::from_millis(250));
    let looks = (fit.options.steps / 50).max(1);
    let mut curve = Vec::new();
    while fit.done < fit.options.steps {
        let rates = fit.rates();
        record.steps.push((fit.step()?, rates));
        bar.inc(1);
        if fit.done.is_multiple_of(looks) || fit.done == fit.options.steps {
            let psnr = fit.picture().await?.psnr(&fit.target);
            bar.set_message(format!("{psnr:.2} dB, {} splats", fit.model.rows));
            curve.push(Point { step: fit.done, splats: fit.model.rows, psnr });
        }
        if fit.is_growing_due()
            && let Some(grown) = fit.grow().await?
        {
            bar.suspend(|| println!("step {:>5}  {grown}", fit.done));
        }
    }
    bar.finish_and_clear();
    Ok(curve)
}

fn write(
    arguments: &Arguments,
    fit: &Fit,
    fitted: &Picture,
    curve: &[Point],
) -> Result<(), Box<dyn Error>> {
    let out = &arguments.out;
    std::fs::create_dir_all(out)?;
    files::save(&out.join("fitted.png"), fitted)?;
    files::save(&out.join("side_by_side.png"), &fit.target.beside(fitted))?;
    let rule = if arguments.dense { "dense Adam" } else { "SparseAdam" };
    let subtitle =
        format!("{rule}, {} tiles per step, on {}", fit.options.tiles, fit.gpu.info.name);
    std::fs::write(
        out.join("psnr.svg"),
        chart::draw(curve, "Fitting a picture with Gaussians", &subtitle),
    )?;
    std::fs::write(out.join("psnr.csv"), chart::csv(curve))?;
    println!("written    fitted.png, side_by_side.png, psnr.svg and psnr.csv in {}", out.display());
    Ok(())
}
