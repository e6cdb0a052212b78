//! Times lookups and steps over ranks, and counts what travels: a line of JSON from each rank.
//!
//!     cargo run --release --example sharded_bench -- --ranks 4 --threads
//!     mpirun -n 4 target/release/examples/sharded_bench
//!
//! Each rank has `--nnz` entries of a batch of ids by zipf's law (exponent 1.05), scattered. Times are medians, in milliseconds, of
//! whole calls, after two steps that are not counted; bytes are those that this rank sent to other ranks in one step, beside
//! the formula of `docs/scaling.md`.

mod counted;

use clap::Parser;
use counted::{Counted, Counts};
use serde::Serialize;
use sparse_adam::{AdamOptions, ParamId, SparseAdam};
use sparse_adam_mpi::{Ranks, ShardedOptimizer, ShardedTable, Sums, Transport, Values, World};
use sparse_adam_testkit::bench::{Case, Distribution};
use sparse_adam_testkit::headless::Gpu;
use std::error::Error;
use std::time::Instant;
use wgpu::PollType;

#[derive(Parser)]
struct Args {
    /// How many ranks, of threads
    #[arg(long, requires = "threads")]
    ranks: Option<u32>,
    /// Ranks are threads of this process, which share its device
    #[arg(long, requires = "ranks")]
    threads: bool,
    /// entries, chunks or ranks
    #[arg(long, default_value = "entries")]
    sums: String,
    #[arg(long, default_value_t = 1_000_000)]
    rows: u32,
    #[arg(long, default_value_t = 64)]
    dim: u32,
    /// Entries of each rank in a step
    #[arg(long, default_value_t = 16_384)]
    nnz: u32,
    #[arg(long, default_value_t = 10)]
    steps: usize,
}

#[derive(Serialize)]
struct Line {
    ranks: u32,
    rank: u32,
    sums: String,
    rows: u32,
    dim: u32,
    nnz: u32,
    /// Rows that the rank's ids name.
    unique: u32,
    ask_ms: f64,
    rows_ms: f64,
    give_ms: f64,
    /// Until the device is done.
    step_ms: f64,
    /// Of all calls above, within exchanges: what travels, and waiting for ranks that come later.
    exchange_ms: f64,
    lookup_bytes: u64,
    gradient_bytes: u64,
    /// Received with gradients, from this rank too: the balance of owners.
    owned_bytes: u64,
    formula_lookup_bytes: u64,
    /// None for chunks, of which it depends on the runs.
    formula_gradient_bytes: Option<u64>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let Some(count) = args.ranks else { return over_mpi(&args) };
    let gpu = pollster::block_on(Gpu::open())?;
    let ended = World::run(Ranks::new(count)?, |end| {
        rank(end, &gpu, &args).map_err(|error| error.to_string())
    });
    Ok(ended.into_iter().collect::<Result<(), _>>()?)
}

#[cfg(feature = "mpi")]
fn over_mpi(args: &Args) -> Result<(), Box<dyn Error>> {
    rank(sparse_adam_mpi::World::init()?, &pollster::block_on(Gpu::open())?, args)
}

#[cfg(not(feature = "mpi"))]
fn over_mpi(_: &Args) -> Result<(), Box<dyn Error>> {
    Err("give --ranks N --threads; for mpirun, build with --features mpi".into())
}

fn rank<T: Transport>(end: T, gpu: &Gpu, args: &Args) -> Result<(), Box<dyn Error>> {
    let (rank, ranks) = (end.rank(), end.size());
    let counts = Counts::default();
    let sums = match args.sums.as_str() {
        "entries" => Sums::Entries,
        "chunks" => Sums::Chunks,
        "ranks" => Sums::Ranks,
        _ => return Err("--sums is entries, chunks or ranks".into()),
    };
    let core = SparseAdam::new(&gpu.device, &gpu.queue, AdamOptions::default())?;
    let end = Counted::new(end, counts.clone());
    let mut optimizer = ShardedOptimizer::new(end, (&gpu.device, &gpu.queue), core)?.sums(sums);
    let table = ShardedTable::new("t", args.rows.into(), &[args.dim], |row, values| {
        values.fill(row as f32 * 1e-6);
    });
    let group = optimizer.add_group(AdamOptions::default(), vec![table])?;
    let table = optimizer.core().group_params(group)?[0];
    let values = gpu.upload("values", &vec![1e-3f32; (args.nnz * args.dim) as usize]);
    let mut timed = Vec::new();
    let mut last = None;
    for step in 0..args.steps + 2 {
        let ids = ids(args, (rank, ranks), step as u64);
        let one = one_step((&mut optimizer, table), gpu, &ids, (&values, &counts))?;
        if step >= 2 {
            timed.push(one.times);
        }
        last = Some(one);
    }
    let last = last.ok_or("no steps")?;
    let median = |part: usize| {
        let mut times: Vec<_> = timed.iter().map(|times| times[part]).collect();
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    // What a rank keeps does not travel.
    let (unique, away) = (u64::from(last.unique), f64::from(ranks - 1) / f64::from(ranks));
    let (dim, nnz) = (u64::from(args.dim), u64::from(args.nnz));
    let formula = |bytes: u64| (bytes as f64 * away) as u64;
    let line = Line {
        ranks,
        rank,
        sums: args.sums.clone(),
        rows: args.rows,
        dim: args.dim,
        nnz: args.nnz,
        unique: last.unique,
        ask_ms: median(0),
        rows_ms: median(1),
        give_ms: median(2),
        step_ms: median(3),
        exchange_ms: median(4),
        lookup_bytes: last.bytes[0],
        gradient_bytes: last.bytes[1],
        owned_bytes: last.bytes[2],
        formula_lookup_bytes: formula((4 + 4 * dim) * unique),
        formula_gradient_bytes: match sums {
            Sums::Entries => Some(formula((4 + 4 * dim) * nnz)),
            Sums::Ranks => Some(formula((4 + 4 * dim) * unique)),
            _ => None,
        },
    };
    println!("{}", serde_json::to_string(&line)?);
    Ok(())
}

/// This rank's part of the ids of a batch of all ranks.
fn ids(args: &Args, (rank, ranks): (u32, u32), seed: u64) -> Vec<i64> {
    let shape = [args.rows, args.dim, args.nnz * ranks];
    let case = Case::new("zipf", shape, Distribution::Zipf, seed);
    let own = (rank * args.nnz) as usize..((rank + 1) * args.nnz) as usize;
    case.ids(0)[own].iter().map(|&id| i64::from(id)).collect()
}

struct Step {
    /// Ask, rows, give, step, and of all these within exchanges, in milliseconds.
    times: [f64; 5],
    /// Sent to others in lookups, and with gradients; received with gradients.
    bytes: [u64; 3],
    unique: u32,
}

fn one_step<T: Transport>(
    (optimizer, table): (&mut ShardedOptimizer<T>, ParamId),
    gpu: &Gpu,
    ids: &[i64],
    (values, counts): (&wgpu::Buffer, &Counts),
) -> Result<Step, Box<dyn Error>> {
    counts.take();
    let mut at = Instant::now();
    let mut lap = || {
        let (now, before) = (Instant::now(), at);
        at = now;
        1e3 * (now - before).as_secs_f64()
    };
    let asked = optimizer.ask(&[(table, ids)])?;
    let ask = lap();
    let looked = optimizer.rows(asked)?;
    let (rows, of_lookup) = (lap(), counts.take());
    let unique = looked[0].unique;
    optimizer.give(looked, &[Values::rows(values)])?;
    let give = lap();
    optimizer.step(&[])?;
    gpu.device.poll(PollType::wait_indefinitely())?;
    let (step, of_step) = (lap(), counts.take());
    let exchange = of_lookup.milliseconds + of_step.milliseconds;
    Ok(Step {
        times: [ask, rows, give, step, exchange],
        bytes: [of_lookup.sent, of_step.sent, of_step.received],
        unique,
    })
}
