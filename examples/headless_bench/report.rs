//! What was measured, as a table, as JSON, and as CSV.

use crate::run::Measured;
use serde::Serialize;
use sparse_adam_testkit::bench::Case;
use sparse_adam_testkit::headless::Gpu;
use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// One case's results; its fields are the keys of the JSON.
#[derive(Serialize)]
pub struct Report {
    case: String,
    adapter: String,
    /// The driver, with its version.
    driver: String,
    backend: String,
    rows: u32,
    dim: u32,
    /// Entries of a step, over all tables.
    nnz: u32,
    /// Rows named by them, over all tables.
    unique: u64,
    tables: u32,
    distribution: String,
    bag: u32,
    unique_promise: bool,
    steps: usize,
    /// From the start of recording to the GPU's completion.
    step_ms_median: f64,
    step_ms_min: f64,
    /// A step of many, submitted one after another without waiting.
    step_ms_queued: f64,
    step_ms_batched: f64,
    /// By the GPU's timestamps: all stages, and each.
    #[serde(skip_serializing_if = "Option::is_none")]
    gpu_ms_median: Option<f64>,
    ingest_ms: Option<f64>,
    sort_ms: Option<f64>,
    partial_ms: Option<f64>,
    update_ms: Option<f64>,
    /// Host time of `set_grad` and `step`.
    record_us_median: f64,
    /// Heap allocations while recording, wgpu's included.
    record_allocations: u64,
    /// What a step must move at least: indices and values once, each named row's parameter and
    /// moments read and written.
    floor_bytes: u64,
    /// `floor_bytes` in the median step's time.
    gbps: f64,
    copy_gbps: f64,
    fraction_of_copy: f64,
    dispatches: u32,
    /// How the results were compared with the CPU twin's.
    checked: &'static str,
}

/// The columns of the CSV.
const COLUMNS: [&str; 30] = [
    "case",
    "adapter",
    "driver",
    "backend",
    "rows",
    "dim",
    "nnz",
    "unique",
    "tables",
    "distribution",
    "bag",
    "unique_promise",
    "steps",
    "step_ms_median",
    "step_ms_min",
    "step_ms_queued",
    "step_ms_batched",
    "gpu_ms_median",
    "ingest_ms",
    "sort_ms",
    "partial_ms",
    "update_ms",
    "record_us_median",
    "record_allocations",
    "floor_bytes",
    "gbps",
    "copy_gbps",
    "fraction_of_copy",
    "dispatches",
    "checked",
];

impl Report {
    pub fn new(gpu: &Gpu, case: &Case, measured: &Measured, copy_gbps: f64) -> Self {
        let (nnz, dim, unique) = (u64::from(case.nnz), u64::from(case.dim), measured.unique);
        let floor_bytes = nnz * (4 + 4 * dim) + unique * 24 * dim;
        let stages = measured.stages_ms_median;
        let stage = |number: usize| stages.map(|ms| rounded(ms[number]));
        let gbps = floor_bytes as f64 / (measured.step_ms_median * 1e6);
        Self {
            case: case.name.clone(),
            adapter: gpu.info.name.clone(),
            driver: gpu.info.driver_info.clone(),
            backend: gpu.info.backend.to_string(),
            rows: case.rows,
            dim: case.dim,
            nnz: case.nnz,
            unique,
            tables: case.tables,
            distribution: case.distribution.to_string(),
            bag: case.bag,
            unique_promise: case.promise,
            steps: measured.steps,
            step_ms_median: rounded(measured.step_ms_median),
            step_ms_min: rounded(measured.step_ms_min),
            step_ms_queued: rounded(measured.queued_ms),
            step_ms_batched: rounded(measured.batched_ms),
            gpu_ms_median: stages.map(|ms| rounded(ms.iter().sum())),
            ingest_ms: stage(0),
            sort_ms: stage(1),
            partial_ms: stage(2),
            update_ms: stage(3),
            record_us_median: rounded(measured.record_us_median),
            record_allocations: measured.record_allocations,
            floor_bytes,
            gbps: rounded(gbps),
            copy_gbps: rounded(copy_gbps),
            fraction_of_copy: rounded(gbps / copy_gbps),
            dispatches: measured.dispatches,
            checked: if measured.exact { "bit-equal" } else { "within 2e-6 and 1e-6" },
        }
    }
}

impl Report {
    /// The stages' times in one cell.
    fn stages(&self) -> String {
        let all = [self.ingest_ms, self.sort_ms, self.partial_ms, self.update_ms];
        let cells: Vec<_> = all.iter().flatten().map(|ms| format!("{ms:.3}")).collect();
        cells.join(" ")
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

/// Where results go.
pub struct Sink {
    json: bool,
    csv: Option<File>,
    head_written: bool,
}

impl Sink {
    pub fn new(json: bool, csv: Option<&Path>) -> io::Result<Self> {
        let csv = csv.map(open_csv).transpose()?;
        Ok(Self { json, csv, head_written: false })
    }

    pub fn write(&mut self, report: &Report) -> Result<(), Box<dyn Error>> {
        if self.json {
            println!("{}", serde_json::to_string(report)?);
        } else {
            self.write_row(report);
        }
        if let Some(csv) = &mut self.csv {
            let object = serde_json::to_value(report)?;
            let cells = COLUMNS.map(|column| cell(&object[column]));
            writeln!(csv, "{}", cells.join(","))?;
        }
        Ok(())
    }

    fn write_row(&mut self, report: &Report) {
        if !self.head_written {
            println!("copy {:.1} GB/s; {}", report.copy_gbps, report.checked);
            println!(
                "{:16} {:>9} {:>4} {:>9} {:>9} {:>6}  {:>9} {:>9} {:>9} {:>9} {:>9} {:>7} {:>6} {:>4}  \
                 gpu ms: ingest, sort, partial, update",
                "case",
                "rows",
                "dim",
                "nnz",
                "unique",
                "tables",
                "step ms",
                "min ms",
                "queued ms",
                "gpu ms",
                "record us",
                "GB/s",
                "of copy",
                "disp",
            );
            self.head_written = true;
        }
        let gpu_ms = report.gpu_ms_median.map_or_else(String::new, |ms| format!("{ms:.3}"));
        println!(
            "{:16} {:>9} {:>4} {:>9} {:>9} {:>6}  {:>9.3} {:>9.3} {:>9.3} {:>9} {:>9.1} {:>7.1} {:>6.1}% {:>4}  {}",
            report.case,
            report.rows,
            report.dim,
            report.nnz,
            report.unique,
            report.tables,
            report.step_ms_median,
            report.step_ms_min,
            report.step_ms_queued,
            gpu_ms,
            report.record_us_median,
            report.gbps,
            100.0 * report.fraction_of_copy,
            report.dispatches,
            report.stages(),
        );
    }
}

/// Opens a file to append to; a new one gets the head.
fn open_csv(path: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    if file.metadata()?.len() == 0 {
        writeln!(file, "{}", COLUMNS.join(","))?;
    }
    Ok(file)
}

fn cell(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) if text.contains([',', '"']) => {
            format!("\"{}\"", text.replace('"', "\"\""))
        }
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
