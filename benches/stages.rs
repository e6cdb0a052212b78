//! Criterion benches, for regressions: whole steps at a few sizes, and what recording costs.
//!
//!     cargo bench --bench stages
//!     cargo bench --bench stages -- record
//!     cargo bench --bench stages -- format
//!     cargo bench --bench stages -- list
//!
//! `examples/headless_bench` has the full table of cases, checked and put beside torch.

use criterion::{BenchmarkId, Criterion, Throughput};
use sparse_adam::{
    AdamOptions, Error, Format, IndexList, Param, ParamId, Region, Rounding, SparseAdam,
    SparseGrad, Tuning,
};
use sparse_adam_testkit::headless::Gpu;
use std::time::{Duration, Instant};
use wgpu::{CommandEncoder, CommandEncoderDescriptor, Limits};

/// Rows, values a row, entries.
const STEPS: [[u32; 3]; 4] =
    [[100_000, 64, 1_024], [100_000, 128, 4_096], [200_000, 37, 16_384], [250_000, 64, 65_536]];
const TABLES: [u32; 3] = [1, 26, 200];
/// The tables whose recording is timed.
const SMALL: [u32; 3] = [1_000, 16, 64];

/// Row lengths of the tables that have one index list: those of Gaussian splats, and of embeddings; their rows; entries.
const LISTS: [[u32; 5]; 2] = [[3, 3, 4, 3, 1], [64; 5]];
const LISTED_ROWS: u32 = 250_000;
const LISTED: [u32; 2] = [4_096, 65_536];

/// The step that each format is timed in.
const STORED: [u32; 3] = [1_000_000, 64, 65_536];
/// Formats of the parameter, of its moments and of the values, and how they are rounded.
type Stored = (Format, Format, Format, Rounding);

/// Tables of one size with a gradient each.
struct Bench<'a> {
    gpu: &'a Gpu,
    optimizer: SparseAdam,
    grads: Vec<(ParamId, SparseGrad)>,
}

impl<'a> Bench<'a> {
    fn new(gpu: &'a Gpu, tables: u32, sizes: [u32; 3]) -> Result<Self, Error> {
        Self::stored(gpu, tables, sizes, Default::default())
    }

    /// As [`Bench::tuned`], with all tables in one buffer.
    fn pooled(
        gpu: &'a Gpu,
        tuning: Tuning,
        tables: u32,
        [rows, dim, nnz]: [u32; 3],
    ) -> Result<Self, Error> {
        let mut optimizer = gpu.optimizer(AdamOptions::default(), tuning)?;
        let ids = gpu.upload("ids", &scattered(rows, nnz));
        let values = gpu.upload("values", &vec![0.5f32; (nnz * dim) as usize]);
        let bytes = (4 * u64::from(rows) * u64::from(dim)).next_multiple_of(256);
        let pool = gpu.zeroed("tables", bytes * u64::from(tables));
        let add = |table: u32| {
            let region = Region::new(&pool, bytes * u64::from(table), bytes);
            let param = Param::new(format!("table {table}"), region, [rows, dim]);
            Ok((optimizer.add_param(param)?, SparseGrad::new(&ids, &values, nnz)))
        };
        let grads = (0..tables).map(add).collect::<Result<_, Error>>()?;
        Ok(Self { gpu, optimizer, grads })
    }

    fn stored(gpu: &'a Gpu, tables: u32, sizes: [u32; 3], stored: Stored) -> Result<Self, Error> {
        Self::tuned(gpu, Tuning::for_adapter(&gpu.info), tables, sizes, stored)
    }

    fn tuned(
        gpu: &'a Gpu,
        tuning: Tuning,
        tables: u32,
        [rows, dim, nnz]: [u32; 3],
        (format, moments, of_values, rounding): Stored,
    ) -> Result<Self, Error> {
        let mut optimizer = gpu.optimizer(AdamOptions::default(), tuning)?;
        let ids = gpu.upload("ids", &scattered(rows, nnz));
        let values = of_values.pack(&vec![0.5; (nnz * dim) as usize]);
        let values = gpu.upload("values", &values);
        let add = |table| {
            let buffer = gpu.zeroed("table", 4 * u64::from(rows) * u64::from(dim));
            let param = Param::new(format!("table {table}"), &buffer, [rows, dim]);
            let param = param.format(format).moments(moments).rounding(rounding);
            let grad = SparseGrad::new(&ids, &values, nnz).format(of_values);
            Ok((optimizer.add_param(param)?, grad))
        };
        let grads = (0..tables).map(add).collect::<Result<_, Error>>()?;
        Ok(Self { gpu, optimizer, grads })
    }

    /// One step, waited for. Returns how long it took to record.
    fn step(&mut self) -> Result<Duration, Error> {
        let (encoder, recorded) = self.record()?;
        self.gpu.queue.submit([encoder.finish()]);
        self.gpu.wait()?;
        Ok(recorded)
    }

    /// A step that nobody submits, and how long it took to record.
    fn record(&mut self) -> Result<(CommandEncoder, Duration), Error> {
        let descriptor = CommandEncoderDescriptor { label: None };
        let mut encoder = self.gpu.device.create_command_encoder(&descriptor);
        let start = Instant::now();
        for (param, grad) in &self.grads {
            self.optimizer.set_grad(*param, grad.clone())?;
        }
        self.optimizer.step(&mut encoder)?;
        Ok((encoder, start.elapsed()))
    }
}

/// Ids all over the table; some repeat.
fn scattered(rows: u32, nnz: u32) -> Vec<u32> {
    let id = |entry: u32| (u64::from(entry.wrapping_mul(0x9e37_79b1)) * u64::from(rows)) >> 32;
    (0..nnz).map(|entry| id(entry ^ (entry & 4)) as u32).collect()
}

fn main() -> Result<(), Error> {
    let gpu = pollster::block_on(Gpu::open())?;
    eprintln!("adapter: {}", gpu.describe());
    let mut criterion = Criterion::default().configure_from_args().sample_size(20);
    steps(&mut criterion, &gpu)?;
    formats(&mut criterion, &gpu)?;
    lists(&mut criterion, &gpu)?;
    records(&mut criterion, &gpu)?;
    criterion.final_summary();
    Ok(())
}

/// Whole steps, from recording to the GPU's completion.
fn steps(criterion: &mut Criterion, gpu: &Gpu) -> Result<(), Error> {
    let mut group = criterion.benchmark_group("step");
    for sizes @ [rows, dim, nnz] in STEPS {
        let mut bench = Bench::new(gpu, 1, sizes)?;
        bench.step()?;
        group.throughput(Throughput::Elements(nnz.into()));
        group.bench_function(format!("{rows} x {dim}, {nnz} entries"), |bencher| {
            bencher.iter(|| bench.step().expect("the same step worked before"));
        });
    }
    group.finish();
    Ok(())
}

/// A step of each format.
fn formats(criterion: &mut Criterion, gpu: &Gpu) -> Result<(), Error> {
    use Format::{Bf16, F16, F32};
    let (nearest, drawn) = (Rounding::Nearest, Rounding::Stochastic { seed: 1 });
    let all: [Stored; 8] = [
        (F32, F32, F32, nearest),
        (F16, F32, F32, nearest),
        (Bf16, F32, F32, nearest),
        (Bf16, F32, F32, drawn),
        (F32, F32, F16, nearest),
        (F32, F32, Bf16, nearest),
        (F32, Bf16, F32, drawn),
        (Bf16, Bf16, Bf16, drawn),
    ];
    let mut group = criterion.benchmark_group("format");
    for stored @ (param, moments, values, rounding) in all {
        let mut bench = Bench::stored(gpu, 1, STORED, stored)?;
        bench.step()?;
        let how = if rounding == nearest { "nearest" } else { "drawn" };
        group.bench_function(format!("{param:?}, {moments:?}, {values:?}, {how}"), |bencher| {
            bencher.iter(|| bench.step().expect("the same step worked before"));
        });
    }
    group.finish();
    Ok(())
}

/// A step of five tables by one index list that they share, and by one for each.
fn lists(criterion: &mut Criterion, gpu: &Gpu) -> Result<(), Error> {
    let mut group = criterion.benchmark_group("list");
    for dims in LISTS {
        for nnz in LISTED {
            for shares in [true, false] {
                let mut step = five_tables(gpu, dims, nnz, shares)?;
                step()?;
                let how = if shares { "shared" } else { "apart" };
                group.bench_function(format!("{dims:?}, {nnz} entries, {how}"), |bencher| {
                    bencher.iter(|| step().expect("the same step worked before"));
                });
            }
        }
    }
    group.finish();
    Ok(())
}

/// A step of tables of these row lengths, waited for.
fn five_tables(
    gpu: &Gpu,
    dims: [u32; 5],
    nnz: u32,
    shares: bool,
) -> Result<impl FnMut() -> Result<(), Error>, Error> {
    let mut optimizer = SparseAdam::new(&gpu.device, &gpu.queue, AdamOptions::default())?;
    let ids = gpu.upload("ids", &scattered(LISTED_ROWS, nnz));
    let mut values = Vec::new();
    for (table, dim) in dims.into_iter().enumerate() {
        let buffer = gpu.zeroed("table", 4 * u64::from(LISTED_ROWS) * u64::from(dim));
        let param = Param::new(format!("table {table}"), &buffer, [LISTED_ROWS, dim]);
        let held = gpu.upload("values", &vec![0.5f32; (nnz * dim) as usize]);
        values.push((optimizer.add_param(param)?, held));
    }
    Ok(move || {
        if shares {
            let values = values.iter().map(|(param, held)| (*param, held));
            optimizer.set_grads(IndexList::new(&ids, nnz), values)?;
        } else {
            for (param, held) in &values {
                optimizer.set_grad(*param, SparseGrad::new(&ids, held, nnz))?;
            }
        }
        gpu.submit(|encoder| optimizer.step(encoder))?;
        gpu.wait()
    })
}

/// Host time to set the gradients of all tables and record their step, in either form, where a dispatch may bind so many storage
/// buffers (of four, none takes several tables), and where it may have them in arrays: of steps that are waited for, so that a
/// software adapter has had the caches in between, and of steps that nobody submits, as beside a GPU.
fn records(criterion: &mut Criterion, gpu: &Gpu) -> Result<(), Error> {
    let mut group = criterion.benchmark_group("record");
    let all = gpu.device.limits();
    let with = |buffers| Limits {
        max_storage_buffers_per_shader_stage: buffers,
        max_binding_array_elements_per_shader_stage: 0,
        ..all.clone()
    };
    let most = all.max_storage_buffers_per_shader_stage;
    let devices = [4, 8, 16].into_iter().filter(|buffers| *buffers <= most);
    let devices = devices.map(|buffers| (format!("{buffers} buffers"), with(buffers)));
    for (bound, limits) in devices.chain([("arrays".to_string(), all.clone())]) {
        let gpu = &pollster::block_on(Gpu::open_with_limits(limits))?;
        for (form, tuning) in [("serial", Tuning::CPU), ("parallel", Tuning::GPU)] {
            for (tables, in_pool) in TABLES.into_iter().flat_map(|of| [(of, false), (of, true)]) {
                let mut bench = match in_pool {
                    true => Bench::pooled(gpu, tuning, tables, SMALL)?,
                    false => Bench::tuned(gpu, tuning, tables, SMALL, Default::default())?,
                };
                bench.step()?;
                let place = if in_pool { ", in a pool" } else { "" };
                for (then, is_submitted) in [("waited for", true), ("not submitted", false)] {
                    let name = format!("{form}, {bound}{place}, {then}, tables");
                    group.bench_function(BenchmarkId::new(name, tables), |bencher| {
                        bencher.iter_custom(|steps| {
                            let mut step = || match is_submitted {
                                true => bench.step(),
                                false => bench.record().map(|(_, recorded)| recorded),
                            };
                            let one = |_| step().expect("the same step worked before");
                            (0..steps).map(one).sum()
                        });
                    });
                }
            }
        }
    }
    group.finish();
    Ok(())
}
