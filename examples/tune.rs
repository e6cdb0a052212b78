//! Finds the tuning that is fastest on an adapter, writes it to a file, or reads one, and checks it against the CPU twin.
//!
//!     cargo run --release --features tune --example tune -- --out tuned.json
//!     cargo run --release --features tune --example tune -- --file tuned.json
//!
//! `WGPU_BACKEND` and `WGPU_ADAPTER_NAME` choose the adapter.

use clap::Parser;
use pollster::block_on;
use sparse_adam::tune::{Bits, Evidence, Tuned, Tuner};
use sparse_adam_testkit::conformance::Law;
use sparse_adam_testkit::headless::Gpu;
use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Parser)]
struct Args {
    /// Where to write what was found
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// A file to use, if it is of this adapter; else it is tuned anew
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// How long to search, in seconds
    #[arg(long, default_value_t = 10.0)]
    budget: f64,
    /// Shapes to tune for, comma-separated: rows x dim x entries, as in 1000000x64x65536
    #[arg(long, value_delimiter = ',', value_parser = shape, value_name = "SHAPES")]
    shape: Vec<[u32; 3]>,
}

fn shape(text: &str) -> Result<[u32; 3], String> {
    let numbers = text.split('x').map(str::parse).collect::<Result<Vec<u32>, _>>();
    let numbers = numbers.map_err(|error| format!("{text:?}: {error}"))?;
    numbers.try_into().map_err(|_| format!("{text:?}: expected ROWSxDIMxENTRIES"))
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let gpu = block_on(Gpu::open())?;
    println!("{}", gpu.describe());
    let kept = match &args.file {
        Some(file) => Some(Tuned::from_json(&std::fs::read_to_string(file)?)?),
        None => None,
    };
    let tuned = match kept {
        Some(tuned) if tuned.fits(&gpu.info) => tuned,
        other => {
            if other.is_some() {
                println!("the file is of another adapter, driver or version: tuning anew");
            }
            let budget = Duration::try_from_secs_f64(args.budget)?;
            let tuner = Tuner::new(&gpu.device, &gpu.queue, &gpu.info);
            block_on(tuner.budget(budget).shapes(&args.shape).run())?
        }
    };
    print(&tuned);
    if let Some(out) = &args.out {
        std::fs::write(out, tuned.to_json()?)?;
        println!("written to {}", out.display());
    }
    check(&gpu, &tuned)
}

/// Of each candidate, its time over the default's, a column a workload.
fn print(tuned: &Tuned) {
    let mut workloads: Vec<&Evidence> = Vec::new();
    for held in &tuned.evidence {
        match workloads.iter_mut().find(|known| known.workload == held.workload) {
            Some(known) if known.default_us.is_none() => *known = held,
            Some(_) => {}
            None => workloads.push(held),
        }
    }
    for (number, Evidence { workload, default_us, .. }) in workloads.iter().enumerate() {
        let us = default_us.map_or("-".into(), |us| format!("{us:.1} us"));
        println!("{number}: {workload}, by default {us}");
    }
    let columns = (0..workloads.len()).map(|number| format!("{number:>7}")).collect::<String>();
    println!("\n{:<13}{:<10}{columns}", "field", "candidate");
    let same = |a: &Evidence, b: &Evidence| (&a.field, &a.candidate) == (&b.field, &b.candidate);
    for of_candidate in tuned.evidence.chunk_by(same) {
        let Evidence { field, candidate, .. } = &of_candidate[0];
        let cell = |known: &&Evidence| {
            let Some(held) = of_candidate.iter().find(|held| held.workload == known.workload)
            else {
                return String::new();
            };
            match (held.bits, held.us.zip(held.default_us)) {
                (Bits::Same, Some((us, default_us))) => format!("{:.3}", us / default_us),
                (Bits::Same, None) => "-".into(),
                (bits, _) => format!("{bits:?}"),
            }
        };
        let cells = workloads.iter().map(|known| format!("{:>7}", cell(known)));
        println!("{field:<13}{candidate:<10}{}", cells.collect::<String>());
    }
    let dropped = tuned.evidence.iter().filter(|held| held.bits != Bits::Same).count();
    println!("\n{:.1} s by {:?}, {dropped} dropped", tuned.spent_ms as f64 / 1e3, tuned.timing);
    println!("{:?}", tuned.tuning());
}

/// Steps with it, beside the twin on the CPU.
fn check(gpu: &Gpu, tuned: &Tuned) -> Result<(), Box<dyn Error>> {
    let check = block_on(Law::Twin.check(gpu, tuned.tuning(), 1));
    if !check.ok {
        return Err(format!("steps with it are not the twin's: {check:?}").into());
    }
    println!("steps with it are the twin's");
    Ok(())
}
