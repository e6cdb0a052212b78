//! Replays a trace over ranks, and compares with one device, bit for bit.
//!
//! With `--ranks N --threads` ranks are threads; with neither, this process is a rank that `mpirun` started.
//! Exits 1 if any row has other bits (which `--sums ranks` does not promise), or any element is outside the trace's tolerance.

mod over_ranks;

use clap::{Parser, ValueEnum};
use over_ranks::{How, Outcomes, replay, rows_that_differ};
use serde::{Serialize, Serializer};
use sparse_adam_mpi::{Assign, Ranks, Sums, World, export_torch};
use sparse_adam_testkit::headless::Gpu;
use sparse_adam_testkit::trace::{Comparison, Trace};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser)]
struct Args {
    /// The trace: a safetensors file.
    trace: PathBuf,
    /// How many ranks, of threads.
    #[arg(long, requires = "threads")]
    ranks: Option<u32>,
    /// Ranks are threads of this process.
    #[arg(long, requires = "ranks")]
    threads: bool,
    /// What travels of rows that are named several times.
    #[arg(long, value_enum, default_value = "entries")]
    sums: SumsArg,
    /// How rows are dealt out.
    #[arg(long, value_enum, default_value = "cyclic")]
    assign: AssignArg,
    /// At the end, save a checkpoint in this folder.
    #[arg(long, value_name = "FOLDER")]
    save: Option<PathBuf>,
    /// Put what was saved together in this folder, for torch.
    #[arg(long, value_name = "FOLDER", requires = "save")]
    export: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum SumsArg {
    Entries,
    Chunks,
    /// Other bits than one device's.
    Ranks,
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

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::FAILURE
    })
}

fn run() -> Result<ExitCode, Box<dyn Error>> {
    let args = Args::parse();
    let trace = Trace::parse(&std::fs::read(&args.trace)?)?;
    let gpu = pollster::block_on(Gpu::open())?;
    let how = How { sums: args.sums.into(), assign: args.assign.into(), save: args.save.clone() };
    eprintln!("{}", gpu.describe());
    let Some((ranks, found)) = (match args.ranks {
        Some(count) => Some(over_threads(&trace, &gpu, Ranks::new(count)?, &how)?),
        None => over_mpi(&trace, &gpu, &how)?,
    }) else {
        // Rank 0 tells.
        return Ok(ExitCode::SUCCESS);
    };
    if let (Some(saved), Some(out)) = (&args.save, &args.export) {
        export_torch(saved, out)?;
    }
    tell(&judge(&trace, &gpu, (ranks, &found), args.sums)?, args.json)
}

type Found = (u32, Outcomes);

fn over_threads(
    trace: &Trace,
    gpu: &Gpu,
    ranks: Ranks,
    how: &How,
) -> Result<Found, Box<dyn Error>> {
    let mut found = Outcomes::new();
    for outcomes in World::run(ranks, |rank| replay(trace, gpu, rank, how)) {
        found.append(&mut outcomes?);
    }
    Ok((ranks.get(), found))
}

/// None on all ranks but the first.
#[cfg(feature = "mpi")]
fn over_mpi(trace: &Trace, gpu: &Gpu, how: &How) -> Result<Option<Found>, Box<dyn Error>> {
    use sparse_adam_mpi::Transport;
    let mpi = World::init()?;
    let (rank, ranks) = (mpi.rank(), mpi.size());
    let found = replay(trace, gpu, mpi, how)?;
    Ok((rank == 0).then_some((ranks, found)))
}

#[cfg(not(feature = "mpi"))]
fn over_mpi(_: &Trace, _: &Gpu, _: &How) -> Result<Option<Found>, Box<dyn Error>> {
    Err("give --ranks N --threads; for mpirun, build with --features mpi".into())
}

/// Compares with one device, and with what the trace expects.
fn judge(
    trace: &Trace,
    gpu: &Gpu,
    (ranks, found): (u32, &Outcomes),
    sums: SumsArg,
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
        ranks,
        sums,
        bits: Bits(rows_that_differ(trace, found, &expected)),
    })
}

fn tell(report: &Report, json: bool) -> Result<ExitCode, Box<dyn Error>> {
    let Report { ranks, sums, ok, bits: Bits(rows), .. } = report;
    let as_promised = *rows == 0 || *sums == SumsArg::Ranks;
    if json {
        println!("{}", serde_json::to_string(report)?);
    } else {
        let within = if *ok { "within tolerance" } else { "OUTSIDE THE TOLERANCE" };
        println!("{ranks} ranks: {rows} rows differ from one device's; {within}");
    }
    Ok(if *ok && as_promised { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl From<SumsArg> for Sums {
    fn from(sums: SumsArg) -> Self {
        match sums {
            SumsArg::Entries => Self::Entries,
            SumsArg::Chunks => Self::Chunks,
            SumsArg::Ranks => Self::Ranks,
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
