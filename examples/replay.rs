//! Replays a trace recorded from PyTorch, in f32 or with numbers of 16 bits, and reports how far the results are apart.
//!
//! Exits 1 if any element is outside the tolerance.

use clap::Parser;
use serde::Serialize;
use sparse_adam::StateDict;
use sparse_adam_testkit::headless::Gpu;
use sparse_adam_testkit::trace::{Comparison, Tolerance, Trace};
use std::path::{Path, PathBuf};
use std::{error::Error, process::ExitCode};

#[derive(Parser)]
struct Args {
    /// The trace: a safetensors file.
    trace: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Replay on the CPU twin instead of an adapter.
    #[arg(long)]
    reference: bool,
    /// Relative tolerance in place of the trace's.
    #[arg(long)]
    rtol: Option<f64>,
    /// Absolute tolerance in place of the trace's.
    #[arg(long)]
    atol: Option<f64>,
    /// Start from the optimizer state of a .safetensors file, or of a .pt file of torch.
    #[arg(long, value_name = "FILE")]
    load: Option<PathBuf>,
    /// Write the optimizer state after the last step to a .safetensors file.
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Write what was computed of the expected tensors, by their names and in f32, to a safetensors file.
    #[arg(long, value_name = "FILE")]
    dump: Option<PathBuf>,
}

#[derive(Serialize)]
struct Report {
    adapter: String,
    backend: String,
    tensors: Vec<Comparison>,
    ok: bool,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let args = Args::parse();
    let report = pollster::block_on(replay(&args))?;
    if args.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print(&report);
    }
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn replay(args: &Args) -> Result<Report, Box<dyn Error>> {
    let trace = Trace::parse(&std::fs::read(&args.trace)?)?;
    let given = trace.recipe.tolerance;
    let tolerance =
        Tolerance { rtol: args.rtol.unwrap_or(given.rtol), atol: args.atol.unwrap_or(given.atol) };
    let start = args.load.as_deref().map(load).transpose()?;
    let start = start.as_ref();
    let (adapter, backend, (outcomes, state)) = if args.reference {
        ("CPU twin".into(), "reference".into(), trace.reference_outcomes_from(start)?)
    } else {
        let gpu = Gpu::open().await?;
        eprintln!("{}", gpu.describe());
        let replayed = trace.outcomes_from(&gpu, None, start).await?;
        (gpu.info.name.clone(), gpu.info.backend.to_string(), replayed)
    };
    if let Some(path) = &args.save {
        state.save(path)?;
    }
    if let Some(path) = &args.dump {
        std::fs::write(path, trace.dump(&outcomes)?)?;
    }
    let tensors = trace.compare_all(&outcomes, tolerance);
    let ok = tensors.iter().all(|tensor| tensor.within);
    Ok(Report { adapter, backend, tensors, ok })
}

fn load(path: &Path) -> Result<StateDict, sparse_adam::Error> {
    match path.extension().is_some_and(|end| end == "pt" || end == "pth") {
        true => StateDict::load_pytorch(path),
        false => StateDict::load(path),
    }
}

fn print(report: &Report) {
    println!("{:32} {:>10} {:>10} {:>10}", "tensor", "max abs", "max rel", "max ulp");
    for tensor in &report.tensors {
        let Comparison { name, max_abs, max_rel, max_ulp, within } = tensor;
        let verdict = if *within { "" } else { "  outside the tolerance" };
        println!("{name:32} {max_abs:10.2e} {max_rel:10.2e} {max_ulp:10}{verdict}");
    }
    let verdict = if report.ok { "within tolerance" } else { "OUTSIDE THE TOLERANCE" };
    println!("{}, {}: {verdict}", report.adapter, report.backend);
}
