//! Times whole steps of `SparseAdam` on one adapter, each case checked against the CPU twin
//! before it is timed.
//!
//!     cargo run --release --example headless_bench
//!     cargo run --release --example headless_bench -- --rows 100000 --dim 32 --nnz 4096 --json
//!     cargo run --release --example headless_bench -- --scaling nnz --csv nnz.csv

mod copy;
mod dump;
mod report;
mod run;
mod scaling;

use clap::Parser;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use copy::copy_gbps;
use indicatif::{ProgressBar, ProgressStyle};
use report::{Report, Sink};
use run::Plan;
use scaling::Scaling;
use sparse_adam::{Arithmetic, Tuning};
use sparse_adam_testkit::bench::{Case, Distribution, standard};
use sparse_adam_testkit::headless::Gpu;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

/// Times steps of SparseAdam; without options, the standard table of cases.
#[derive(Parser)]
struct Options {
    /// Rows of each table [default: 1000000]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rows: Option<u32>,
    /// Values per row [default: 64]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    dim: Option<u32>,
    /// Entries of a step, shared out evenly over the tables [default: 65536]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    nnz: Option<u32>,
    /// Which rows the entries name [default: uniform]
    #[arg(long, value_parser = PossibleValuesParser::new(Distribution::NAMES).try_map(|name| name.parse::<Distribution>()))]
    distribution: Option<Distribution>,
    /// Tables of one step [default: 1]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    tables: Option<u32>,
    /// Put the tables into one buffer, and so their gradients' ids and values
    #[arg(long)]
    pooled: bool,
    /// Promise that no row is named twice (needs --distribution unique)
    #[arg(long)]
    unique_promise: bool,
    /// Timed steps of each case [default: 15, fewer for slow ones]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    steps: Option<u32>,
    /// Same seed: same ids
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Only these cases of the standard table, comma-separated: names or first words of them
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    case: Vec<String>,
    /// Print the cases' names and stop
    #[arg(long)]
    list: bool,
    /// A curve: time against one quantity, all others fixed
    #[arg(long, value_enum)]
    scaling: Option<Scaling>,
    /// How floats are computed with [default: as the adapter needs]
    #[arg(long, value_parser = ["exact", "fast"])]
    arithmetic: Option<String>,
    /// Print one JSON object a case
    #[arg(long)]
    json: bool,
    /// Append a row a case to this file
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write each case's ids, and some of its checked rows, below this folder, for peers
    #[arg(long, value_name = "DIR")]
    dump_ids: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("headless_bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let cases = options.cases()?;
    if options.list {
        cases.iter().for_each(|case| println!("{}", case.name));
        return Ok(());
    }
    let gpu = pollster::block_on(Gpu::open())?;
    eprintln!("adapter: {}", gpu.describe());
    let copy_gbps = copy_gbps(&gpu)?;
    let mut sink = Sink::new(options.json, options.csv.as_deref())?;
    let bar = progress(cases.len() as u64)?;
    for case in &cases {
        bar.set_prefix(case.name.clone());
        let plan = Plan { steps: options.steps, dump: options.dump_ids.as_deref(), bar: &bar };
        let measured = run::run(&gpu, options.tuning(&gpu), case, plan)
            .map_err(|error| format!("{}: {error}", case.name))?;
        let report = Report::new(&gpu, case, &measured, copy_gbps);
        bar.suspend(|| sink.write(&report))?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

/// A bar on stderr, which is silent where that is no terminal.
fn progress(cases: u64) -> Result<ProgressBar, Box<dyn Error>> {
    let style = ProgressStyle::with_template("{pos}/{len} {bar:24} {prefix}: {msg}")?;
    Ok(ProgressBar::new(cases).with_style(style))
}

impl Options {
    fn cases(&self) -> Result<Vec<Case>, String> {
        let cases = match (self.scaling, self.custom()) {
            (Some(_), Some(_)) => return Err("--scaling fixes the case; leave it out".into()),
            (Some(scaling), None) => scaling.cases(self.seed),
            (None, Some(_)) if !self.case.is_empty() => {
                return Err("--case names cases that are fixed; leave other sizes out".into());
            }
            (None, Some(case)) => vec![case],
            (None, None) => standard(self.seed, &self.case)?,
        };
        cases.iter().try_for_each(Case::validate)?;
        Ok(cases)
    }

    /// The adapter's own tuning, with the arithmetic that is asked for.
    fn tuning(&self, gpu: &Gpu) -> Tuning {
        let mut tuning = Tuning::for_adapter(&gpu.info);
        match self.arithmetic.as_deref() {
            Some("exact") => tuning.arithmetic = Arithmetic::Exact,
            Some(_) => tuning.arithmetic = Arithmetic::Fast,
            None => {}
        }
        tuning
    }

    /// The case that the options describe, if they describe one.
    fn custom(&self) -> Option<Case> {
        let sizes = [self.rows, self.dim, self.nnz, self.tables];
        let described = sizes.iter().any(Option::is_some)
            || self.distribution.is_some()
            || self.unique_promise
            || self.pooled;
        described.then(|| Case {
            name: "custom".into(),
            rows: self.rows.unwrap_or(1_000_000),
            dim: self.dim.unwrap_or(64),
            nnz: self.nnz.unwrap_or(65_536),
            tables: self.tables.unwrap_or(1),
            pooled: self.pooled,
            distribution: self.distribution.unwrap_or(Distribution::Uniform),
            bag: 1,
            promise: self.unique_promise,
            seed: self.seed,
        })
    }
}
