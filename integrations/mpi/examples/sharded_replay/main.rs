//! Replays a trace over ranks, and compares with one device, bit for bit.
//!
//! Exits 1 if any row has other bits, or any element is outside the trace's tolerance.

mod over_ranks;

use clap::{Parser, ValueEnum};
use over_ranks::{Outcomes, replay, rows_that_differ};
use serde::{Serialize, Serializer};
use sparse_adam_mpi::{Assign, Ranks, Sums, Threads};
use sparse_adam_testkit::headless::Gpu;
use sparse_adam_testkit::trace::{Comparison, Trace};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser)]
struct Args {
    /// The trace: a safetensors file.
    trace: PathBuf,
    /// How many ranks.
    #[arg(long)]
    ranks: u32,
    /// Ranks are threads of this process.
    #[arg(long, required = true)]
    threads: bool,
    /// What travels of rows that are named several times.
    #[arg(long, value_enum, default_value = "entries")]
    sums: SumsArg,
    /// How rows are dealt out.
    #[arg(long, value_enum, default_value = "cyclic")]
    assign: AssignArg,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum SumsArg {
    Entries,
}

#[derive(Clone, Copy, ValueEnum)]
enum AssignArg {
    Cyclic,
    Block,
}

#[derive(Serialize)]
struct Report {
    adapter: String,
    backend: String,
    tensors: Vec<Comparison>,
    ok: bool,
    ranks: u32,
    sums: SumsArg,
    bits: Bits,
}

/// Rows with other bits than one device's.
struct Bits(usize);

impl Serialize for Bits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            0 => serializer.serialize_str("same"),
            rows => serializer.serialize_u64(rows as u64),
        }
    }
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let args = Args::parse();
    let trace = Trace::parse(&std::fs::read(&args.trace)?)?;
    let gpu = pollster::block_on(Gpu::open())?;
    let how = (Sums::from(args.sums), Assign::from(args.assign));
    let ranks = Ranks::new(args.ranks)?;
    eprintln!("{}", gpu.describe());
    let ended = Threads::run(ranks, |rank| replay(&trace, &gpu, rank, how));
    let mut found = Outcomes::new();
    for outcomes in ended {
        found.append(&mut outcomes?);
    }
    let report = judge(&args, &trace, &gpu, &found)?;
    tell(&report, args.json)
}

/// Compares with one device, and with what the trace expects.
fn judge(
    args: &Args,
    trace: &Trace,
    gpu: &Gpu,
    found: &Outcomes,
) -> Result<Report, Box<dyn Error>> {
    let expected = pollster::block_on(trace.outcomes(gpu))?;
    let mut tensors = Vec::new();
    for ((k, name), outcome) in found {
        if trace.recipe.expect.contains(k) {
            trace.compare(*k, name, outcome, trace.recipe.tolerance, &mut tensors);
        }
    }
    Ok(Report {
        adapter: gpu.info.name.clone(),
        backend: gpu.info.backend.to_string(),
        ok: tensors.iter().all(|tensor| tensor.within),
        tensors,
        ranks: args.ranks,
        sums: args.sums,
        bits: Bits(rows_that_differ(trace, found, &expected)),
    })
}

fn tell(report: &Report, json: bool) -> Result<ExitCode, Box<dyn Error>> {
    let Report { ranks, ok, bits: Bits(rows), .. } = report;
    if json {
        println!("{}", serde_json::to_string(report)?);
    } else {
        let within = if *ok { "within tolerance" } else { "OUTSIDE THE TOLERANCE" };
        println!("{ranks} ranks: {rows} rows differ from one device's; {within}");
    }
    Ok(if *ok && *rows == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl From<SumsArg> for Sums {
    fn from(sums: SumsArg) -> Self {
        match sums {
            SumsArg::Entries => Self::Entries,
        }
    }
}

impl From<AssignArg> for Assign {
    fn from(assign: AssignArg) -> Self {
        match assign {
            AssignArg::Cyclic => Self::Cyclic,
            AssignArg::Block => Self::Block,
        }
    }
}
