//! Tells for every adapter of this machine whether it agrees: with PyTorch on the recorded
//! traces, and with the CPU twin on random inputs, stage by stage and law by law.
//!
//!     cargo run --release --example conformance [--json]
//!
//! Exits 1 if any does not. `WGPU_BACKEND` and `WGPU_ADAPTER_NAME` narrow the adapters.

use clap::Parser;
use serde::Serialize;
use sparse_adam::Tuning;
use sparse_adam_testkit::conformance::{
    Adapter, Check, Law, TRAINING_HASH, check_trace, check_training, tuning_name,
};
use sparse_adam_testkit::headless::Gpu;
use sparse_adam_testkit::trace::Trace;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use wgpu::AdapterInfo;

#[derive(Parser)]
struct Args {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Only list the adapters: backend, name and driver, with tabs between
    #[arg(long)]
    list: bool,
    /// Seed of the random inputs
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Folder of the traces
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden"))]
    traces: PathBuf,
}

#[derive(Serialize)]
struct Report {
    seed: u64,
    /// The hash of the standard training wherever there are the same bits.
    training: String,
    adapters: Vec<AdapterReport>,
    passed: usize,
    failed: usize,
    ok: bool,
}

#[derive(Serialize)]
struct AdapterReport {
    adapter: Adapter,
    /// The hash that the standard training ends with.
    training: String,
    checks: Vec<Check>,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let args = Args::parse();
    if args.list {
        for gpu in pollster::block_on(Gpu::open_all())? {
            let AdapterInfo { name, backend, driver, driver_info, .. } = &gpu.info;
            let driver = format!("{driver} {driver_info}");
            println!("{}\t{name}\t{}", backend.to_str(), driver.trim());
        }
        return Ok(ExitCode::SUCCESS);
    }
    let traces = traces(&args)?;
    let report = pollster::block_on(run(args.seed, &traces))?;
    if args.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print(&report);
    }
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn traces(args: &Args) -> Result<Vec<(String, Trace)>, Box<dyn Error>> {
    let mut traces = Vec::new();
    for entry in std::fs::read_dir(&args.traces)? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if path.extension().is_some_and(|end| end == "safetensors") {
            traces.push((name, Trace::parse(&std::fs::read(&path)?)?));
        }
    }
    if traces.is_empty() {
        return Err(format!("no traces in {}", args.traces.display()).into());
    }
    traces.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(traces)
}

async fn run(seed: u64, traces: &[(String, Trace)]) -> Result<Report, Box<dyn Error>> {
    let mut adapters = Vec::new();
    for gpu in Gpu::open_all().await? {
        eprintln!("{}", gpu.describe());
        let mut checks = Vec::new();
        for tuning in [Tuning::CPU, Tuning::GPU] {
            for law in Law::ALL {
                checks.push(law.check(&gpu, tuning, seed).await);
            }
            for (name, trace) in traces {
                checks.push(check_trace(name, trace, &gpu, tuning).await);
            }
        }
        let (training, check) = check_training(&gpu, Tuning::for_adapter(&gpu.info)).await;
        checks.push(check);
        adapters.push(AdapterReport { adapter: Adapter::of(&gpu), training, checks });
    }
    let all = adapters.iter().flat_map(|report| &report.checks);
    let passed = all.clone().filter(|check| check.ok).count();
    let failed = all.count() - passed;
    let training = format!("{TRAINING_HASH:016x}");
    Ok(Report { seed, training, adapters, passed, failed, ok: failed == 0 })
}

fn print(report: &Report) {
    for (number, AdapterReport { adapter, training, .. }) in report.adapters.iter().enumerate() {
        let Adapter { name, backend, driver, class, tuning, limits, probe, .. } = adapter;
        println!("adapter {number}: {name}, {backend}, {driver}");
        println!("    {class}; sorts {tuning} by itself");
        if let Some(probe) = probe {
            println!("    its own arithmetic: {}", probe.plain);
            println!("    exact arithmetic: {}", probe.fenced);
        }
        println!("    a training of 2,000 steps ends with {training}");
        for (limit, value) in limits {
            println!("    {limit:38} {value:>14}");
        }
    }
    println!("\nlargest distance in units in the last place, or FAIL\n");
    print_table(&report.adapters);
    for AdapterReport { adapter, checks, .. } in &report.adapters {
        for check in checks.iter().filter(|check| !check.ok) {
            let Check { name, tuning, wrong, .. } = check;
            println!(
                "{}, {}, {tuning}: {name}: {}",
                adapter.name,
                adapter.backend,
                wrong.join("; ")
            );
        }
    }
    println!("\nwhere bits are the same, a training ends with {}", report.training);
    println!("\n{} passed, {} failed", report.passed, report.failed);
}

/// A line a check, a column an adapter and tuning.
fn print_table(adapters: &[AdapterReport]) {
    let tunings = [Tuning::CPU, Tuning::GPU].map(|tuning| tuning_name(&tuning));
    let Some(AdapterReport { checks: first, .. }) = adapters.first() else {
        return;
    };
    print!("{:48}", "");
    for (number, tuning) in (0..adapters.len()).flat_map(|n| tunings.map(|tuning| (n, tuning))) {
        print!("{:>10}", format!("{number} {tuning}"));
    }
    println!();
    // The last check, the training, has no line: its hash says more.
    for line in &first[..(first.len() - 1) / tunings.len()] {
        let kind = format!("{:?}", line.kind).to_lowercase();
        print!("{kind:7} {:40}", line.name);
        for column in adapters.iter().flat_map(|report| tunings.map(|tuning| (report, tuning))) {
            print!("{:>10}", cell(column.0, column.1, line));
        }
        println!();
    }
}

fn cell(report: &AdapterReport, tuning: &str, line: &Check) -> String {
    let same = |check: &&Check| check.tuning == tuning && check.name == line.name;
    match report.checks.iter().find(same) {
        Some(check) if !check.ok => "FAIL".into(),
        Some(check) if check.tensors.is_empty() => "ok".into(),
        Some(check) => check.max_ulp().to_string(),
        None => String::new(),
    }
}
