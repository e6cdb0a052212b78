//! Measures a GPU: what its dispatches, barriers, caches and loops take, then steps of `SparseAdam` beside a
//! cost model that is fed with these, what the tuner tries, and the laws. Prints a summary, and writes one JSON.
//!
//!     cargo run --release --example gpu_kit -- --out kit.json
//!     cargo run --release --example gpu_kit -- --quick --only P2,P7

mod clock;
mod constants;
mod finding;
mod kernel;
mod lab;
mod model;
mod probes;
mod reading;
mod report;
mod steps;
mod variants;

use clap::Parser;
use constants::Constants;
use finding::{Failure, Finding, Findings};
use lab::Lab;
use report::{Adapter, Report};
use sparse_adam::Arithmetic;
use sparse_adam::tune::Tuned;
use sparse_adam_testkit::bench::{Case, standard};
use sparse_adam_testkit::headless::Gpu;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use wgpu::ErrorFilter;

/// Cases of the standard table where few will do.
const FEW: [&str; 2] = ["tiny", "small-zipf"];

/// Measures a GPU; `WGPU_BACKEND` and `WGPU_ADAPTER_NAME` choose it.
#[derive(Parser)]
struct Options {
    /// The JSON
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Fewer sizes and cases
    #[arg(long)]
    quick: bool,
    /// Only these probes (P0 to P16; S: steps; V: what the tuner tries; L: laws), comma-separated
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only these cases of the benchmark's standard table, comma-separated
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    case: Vec<String>,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(wrong) => {
            eprintln!("gpu_kit: {wrong} results were wrong or missing");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("gpu_kit: {error}");
            ExitCode::FAILURE
        }
    }
}

/// How many results were wrong or missing.
fn run(options: &Options) -> Result<usize, Failure> {
    let start = Instant::now();
    let lab = Lab::new(pollster::block_on(Gpu::open())?, options.quick);
    let opened = pollster::block_on(Gpu::open_with_features(probes::FEATURES))?;
    let with_features = Lab::new(opened, options.quick);
    eprintln!("adapter: {}", lab.gpu.describe());
    let mut failed = Vec::new();
    let probes = probe(&lab, &with_features, options, &mut failed)?;
    let constants = Constants::of(&Findings(&probes));
    let steps = step(&lab, options, constants.as_ref(), &mut failed)?;
    let tuned = match wanted(options, "V") {
        true => tune(&with_features, options.quick, &mut failed),
        false => None,
    };
    let laws = match wanted(options, "L") {
        true => variants::laws(&with_features, options.quick),
        false => Vec::new(),
    };
    let arithmetic = lab.gpu.probe;
    let exact = arithmetic.map(|probe| probe.has_bits_of_twin(Arithmetic::Exact));
    let reading = reading::read(&Findings(&probes), exact, &steps);
    let report = Report {
        format: 1,
        version: env!("CARGO_PKG_VERSION"),
        quick: options.quick,
        adapter: adapter(&lab),
        is_cpu: lab.is_cpu,
        clock: lab.clock_name(),
        seconds: start.elapsed().as_secs_f64(),
        probes,
        arithmetic,
        constants,
        steps,
        tuned,
        laws,
        failed,
        reading,
    };
    report.print();
    if let Some(out) = &options.out {
        let json = serde_json::to_string_pretty(&report)? + "\n";
        std::fs::write(out, json).map_err(|error| format!("{}: {error}", out.display()))?;
    }
    println!("\n{:.1} s", report.seconds);
    Ok(report.wrong())
}

/// Whether a probe is asked for; the one that finds the clock always is.
fn wanted(options: &Options, name: &str) -> bool {
    options.only.is_empty() || name == "P15" || options.only.iter().any(|only| only == name)
}

fn probe(
    lab: &Lab,
    with_features: &Lab,
    options: &Options,
    failed: &mut Vec<String>,
) -> Result<Vec<Finding>, Failure> {
    let mut findings = Vec::new();
    for (name, probe) in probes::ALL.into_iter().filter(|(name, _)| wanted(options, name)) {
        eprintln!("{name}");
        with_features.believe(lab.clock_name() == "gpu");
        let start = Instant::now();
        let lab = match probes::WITH_FEATURES.contains(&name) {
            true => with_features,
            false => lab,
        };
        match heard(lab, || probe(lab)) {
            Ok(mut finding) => {
                finding.seconds = start.elapsed().as_secs_f64();
                findings.push(finding);
            }
            Err(error) => failed.push(format!("{name}: {error}")),
        }
    }
    Ok(findings)
}

fn step(
    lab: &Lab,
    options: &Options,
    constants: Option<&Constants>,
    failed: &mut Vec<String>,
) -> Result<Vec<steps::Step>, Failure> {
    if !wanted(options, "S") {
        return Ok(Vec::new());
    }
    let few = options.quick && options.case.is_empty();
    let names = if few { FEW.map(String::from).to_vec() } else { options.case.clone() };
    let mut done = Vec::new();
    let cases = standard(0, &names)?;
    let in_pools = cases.iter().filter(|case| case.tables > 1).map(|case| Case {
        name: format!("{}-in-pools", case.name),
        pooled: true,
        ..case.clone()
    });
    for case in cases.iter().cloned().chain(in_pools) {
        eprintln!("S {}", case.name);
        match heard(lab, || steps::run(lab, &case, constants)) {
            Ok(step) => done.push(step),
            Err(error) => failed.push(format!("{}: {error}", case.name)),
        }
    }
    Ok(done)
}

fn tune(lab: &Lab, quick: bool, failed: &mut Vec<String>) -> Option<Tuned> {
    eprintln!("V");
    match heard(lab, || variants::tune(lab, quick)) {
        Ok(tuned) => Some(tuned),
        Err(error) => {
            failed.push(format!("V: {error}"));
            None
        }
    }
}

/// Does something, and hears what the device refuses meanwhile.
fn heard<T>(lab: &Lab, act: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let filters = [ErrorFilter::Validation, ErrorFilter::Internal, ErrorFilter::OutOfMemory];
    let scopes = filters.map(|filter| lab.gpu.device.push_error_scope(filter));
    let done = act();
    // In the reverse of the order in which they were pushed.
    let mut refused = None;
    for scope in scopes.into_iter().rev() {
        refused = pollster::block_on(scope.pop()).or(refused);
    }
    // What was refused first is why something else failed.
    match refused {
        Some(error) => Err(one_line(&error.to_string()).into()),
        None => done,
    }
}

/// What a device said, without its headings.
fn one_line(text: &str) -> String {
    let headings = ["Validation Error", "Caused by:", ""];
    let said = text.lines().map(str::trim).filter(|line| !headings.contains(line));
    said.collect::<Vec<_>>().join(" ")
}

fn adapter(lab: &Lab) -> Adapter {
    let info = lab.gpu.info.clone();
    Adapter {
        name: info.name,
        vendor: info.vendor,
        device: info.device,
        kind: format!("{:?}", info.device_type),
        backend: info.backend.to_string(),
        driver: info.driver,
        driver_info: info.driver_info,
        features: format!("{:?}", lab.gpu.device.features()),
    }
}
