//! A cached table has the bits of a resident one: any rule, any format, the smallest cache that fits.

use bytemuck::cast_slice;
use pollster::block_on;
use safetensors::SafeTensors;
use sparse_adam::{
    AdamOptions, CatchUp, ClipGradNorm, Format, Param, ParamId, ParamState, RowWindow, SparseAdam,
    SparseGrad, StateDict, Tuning,
};
use sparse_adam_cached::{CachedTable, MemoryStore, RowStore};
use sparse_adam_testkit::campaign::Budget;
use sparse_adam_testkit::headless::Gpu;
use sparse_adam_testkit::{Rng, drawn_variants};
use std::collections::BTreeSet;
use wgpu::Buffer;

/// A table, resident and cached, and the ids of every step.
struct Table {
    dim: usize,
    format: Format,
    rows: usize,
    /// Words of the weights at first, `[rows, words]`.
    initial: Vec<u32>,
    batches: Vec<Vec<u64>>,
    resident: ParamId,
    cache: ParamId,
    cached: CachedTable<MemoryStore>,
    /// The parameters' buffers.
    weights: [Buffer; 2],
}

/// Weights of a row that training meets, and rows of any bits, NaN payloads and subnormal numbers among them, that it
/// does not.
fn initial(rng: &mut Rng, format: Format, rows: usize, dim: usize) -> (Vec<u32>, usize) {
    let trained = rows / 2 + rng.below(rows / 2);
    let mut words = Vec::new();
    for row in 0..rows {
        let row = match row < trained {
            true => format.pack(&rng.floats(dim)),
            false => {
                let words = format.pack(&vec![0.0; dim]).len();
                let any = [0x7fa0_0001, 0xffc1_2345, 0x0000_0001, 0x807f_ffff, 0x8000_0000];
                (0..words).map(|_| any[rng.below(5)] ^ (rng.next() as u32 & 0xff00)).collect()
            }
        };
        words.extend(row);
    }
    (words, trained)
}

/// The ids of each step: rows that are trained, and those that are only looked at where `looks` says so.
fn batches(rng: &mut Rng, looks: &[bool], rows: usize, trained: usize) -> Vec<Vec<u64>> {
    let batch = |&looks: &bool| {
        let most = if looks { rows } else { trained };
        // Of much the same size, most of them from all rows: the cache is tight, and rows come back soon.
        let entries = if rng.below(10) == 0 { 0 } else { 20 + rng.below(20) };
        let few = if rng.below(4) == 0 { 1 + rng.below(most) } else { most };
        (0..entries).map(|_| rng.below(few) as u64).collect()
    };
    looks.iter().map(batch).collect()
}

/// The smallest cache that fits.
fn fewest_slots(batches: &[Vec<u64>]) -> usize {
    let both = |pair: &[Vec<u64>]| pair.iter().flatten().collect::<BTreeSet<_>>().len();
    batches.windows(2).map(both).max().unwrap_or(1).max(1)
}

fn table(
    rng: &mut Rng,
    gpu: &Gpu,
    [resident, cache]: [&mut SparseAdam; 2],
    (number, format, looks): (usize, Format, &[bool]),
) -> Table {
    let rows = 40 + rng.below(150);
    let dims = if format == Format::F32 { [1, 3, 4, 8, 20] } else { [2, 4, 6, 8, 32] };
    let dim = dims[rng.below(5)];
    let (initial, trained) = initial(rng, format, rows, dim);
    let batches = batches(rng, looks, rows, trained);
    let slots = fewest_slots(&batches);
    let words = initial.len() / rows;
    let weights =
        [gpu.upload("resident", &initial), gpu.zeroed("cache", (4 * words * slots) as u64)];
    let param = |buffer: &Buffer, rows: usize| {
        Param::new(format!("table {number}"), buffer, [rows as u32, dim as u32]).format(format)
    };
    let resident = resident.add_param(param(&weights[0], rows)).unwrap();
    let held = cache.add_param(param(&weights[1], slots)).unwrap();
    let first = initial.clone();
    let cached = CachedTable::with_threads(&gpu.device, &gpu.queue, cache, held, 2, |layout| {
        let init = move |row: u64, bytes: &mut [u8]| {
            bytes.copy_from_slice(cast_slice(&first[row as usize * words..][..words]));
        };
        Ok(MemoryStore::new(rows as u64, layout, init))
    });
    let cached = cached.unwrap();
    Table { dim, format, rows, initial, batches, resident, cache: held, cached, weights }
}

fn options(rng: &mut Rng) -> AdamOptions {
    let options = rng.options();
    let options = rng.rule(options);
    options.catch_up(CatchUp::Never)
}

#[test]
fn traces_end_with_the_bits_of_a_resident_table() {
    let budget = Budget::new();
    let mut rng = Rng(budget.seed);
    loop {
        for on in drawn_variants(&mut rng) {
            check(&mut rng, on);
        }
        if !budget.is_left() {
            return;
        }
    }
}

fn check(rng: &mut Rng, (gpu, tuning): (&Gpu, Tuning)) {
    let options = options(rng);
    let mut both = [(); 2].map(|()| gpu.optimizer(options, tuning).unwrap());
    if rng.below(3) == 0 {
        both.iter_mut().for_each(|adam| {
            adam.set_clip_grad_norm(Some(ClipGradNorm::new(0.5))).unwrap();
        });
    }
    let looks: Vec<bool> = (0..24).map(|_| rng.below(4) == 0).collect();
    let formats = [Format::F32, Format::F16, Format::Bf16];
    let tables = 1 + rng.below(3);
    let [resident, cache] = &mut both;
    let mut tables: Vec<Table> = (0..tables)
        .map(|number| {
            let format = formats[rng.below(3)];
            table(rng, gpu, [resident, cache], (number, format, &looks))
        })
        .collect();
    train(rng, gpu, &mut both, (&mut tables, &looks));
    for table in &mut tables {
        table.cached.flush(&mut both[1]).unwrap();
        compare(gpu, &mut both[0], table);
        export(gpu, &mut both, table);
        let told = table.cached.statistics();
        assert_eq!(told.batches, looks.len() as u64);
        let named = |batch: &Vec<u64>| batch.iter().collect::<BTreeSet<_>>().len() as u64;
        assert_eq!(told.hits + told.misses, table.batches.iter().map(named).sum::<u64>());
        assert_eq!(told.bytes_up, told.misses * table.cached.layout().bytes() as u64);
    }
}

/// Runs all steps on both, with flushes in between; a batch that is only looked at has its rows compared.
fn train(
    rng: &mut Rng,
    gpu: &Gpu,
    both: &mut [SparseAdam; 2],
    (tables, looks): (&mut [Table], &[bool]),
) {
    let mut plans: Vec<_> =
        tables.iter().map(|table| Some(table.cached.plan(&table.batches[0]).unwrap())).collect();
    for (step, &looks) in looks.iter().enumerate() {
        let flushes = rng.below(8) == 0;
        let values: Vec<Vec<f32>> =
            tables.iter().map(|table| rng.floats(table.batches[step].len() * table.dim)).collect();
        gpu.submit(|encoder| {
            for ((table, plan), values) in tables.iter_mut().zip(&mut plans).zip(&values) {
                let batch = table.cached.load(&mut both[1], encoder, plan.take().unwrap()).unwrap();
                *plan = table.batches.get(step + 1).map(|ids| table.cached.plan(ids).unwrap());
                if looks {
                    continue;
                }
                let values = gpu.upload("values", &[values, &[0.0; 4][..]].concat());
                let grad = table.cached.grad(&batch, &values).unwrap();
                both[1].set_grad(table.cache, grad)?;
                both[0].set_grad(table.resident, resident_grad(gpu, table, step, &values))?;
            }
            if !looks {
                both.iter_mut().try_for_each(|adam| adam.step(encoder))?;
            }
            Ok(())
        })
        .unwrap();
        if looks {
            tables.iter().for_each(|table| compare_batch(gpu, table, step));
        }
        if flushes {
            tables.iter_mut().for_each(|table| table.cached.flush(&mut both[1]).unwrap());
        }
    }
}

fn resident_grad(gpu: &Gpu, table: &Table, step: usize, values: &Buffer) -> SparseGrad {
    let ids: Vec<u32> = table.batches[step].iter().map(|&id| id as u32).collect();
    match ids.len() as u32 {
        0 => SparseGrad::empty(),
        entries => SparseGrad::new(gpu.upload("ids", &ids), values, entries),
    }
}

/// What a forward pass would read.
fn compare_batch(gpu: &Gpu, table: &Table, step: usize) {
    let words = table.initial.len() / table.rows;
    let [resident, cache] = [0, 1].map(|at| block_on(gpu.read::<u32>(&table.weights[at])).unwrap());
    for &row in &table.batches[step] {
        let slot = table.cached.slot_of(row).unwrap() as usize;
        let found = &cache[slot * words..][..words];
        let expected = &resident[row as usize * words..][..words];
        assert!(same(table.format, found, expected), "row {row} in step {step}");
    }
}

/// Every row of the store against the resident table's.
fn compare(gpu: &Gpu, adam: &mut SparseAdam, table: &Table) {
    let read = |windows: Vec<RowWindow>| {
        let bytes = windows.iter().flat_map(|w| block_on(gpu.read::<u32>(&w.region)).unwrap());
        bytes.collect::<Vec<u32>>()
    };
    let parts = [
        read(adam.regions(table.resident).unwrap()),
        read(adam.moments(table.resident).unwrap()),
        read(adam.row_state(table.resident).unwrap()),
    ];
    let layout = table.cached.layout();
    let mut record = vec![0; layout.bytes()];
    for row in 0..table.rows {
        table.cached.store().read(&[row as u64], &mut record).unwrap();
        let found: Vec<u32> = bytemuck::pod_collect_to_vec(&record);
        let mut at = 0;
        for (number, part) in parts.iter().enumerate() {
            let words = part.len() / table.rows;
            let expected = &part[row * words..][..words];
            let format = if number == 0 { table.format } else { Format::F32 };
            assert!(
                same(format, &found[at..][..words], expected),
                "{}: row {row} of {}, part {number}, {format:?}:\n{:x?}\n{expected:x?}",
                gpu.describe(),
                table.rows,
                &found[at..][..words]
            );
            at += words;
        }
        assert_eq!(at, found.len());
    }
}

/// What is exported is what the resident table's optimizer saves.
fn export(gpu: &Gpu, both: &mut [SparseAdam; 2], table: &mut Table) {
    let folder = std::env::temp_dir().join(format!("sparse-adam-export-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let [weights, state] = ["weights", "state"].map(|name| folder.join(name));
    table.cached.export_weights(&mut both[1], &weights).unwrap();
    table.cached.export_state(&mut both[1], &state).unwrap();
    let resident = block_on(both[0].state_of(table.resident)).unwrap();
    let saved = StateDict::load(&state).unwrap();
    // Through Debug, by which a NaN equals another.
    let text = |state: &ParamState| format!("{state:?}");
    assert_eq!(text(&saved.state[&0]), text(&resident.expect("no step of 24")));
    let bytes = std::fs::read(&weights).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let held = file.tensor(both[1].name(table.cache).unwrap()).unwrap();
    assert_eq!(held.shape(), [table.rows, table.dim]);
    let expected: Vec<u32> = block_on(gpu.read(&table.weights[0])).unwrap();
    let found: Vec<u32> = bytemuck::pod_collect_to_vec(held.data());
    assert!(same(table.format, &found, &expected[..found.len()]), "exported weights");
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Whether numbers have the same bits; a NaN that arithmetic made may be any other.
fn same(format: Format, found: &[u32], expected: &[u32]) -> bool {
    let is_nan = |word: &u32| f32::from_bits(*word).is_nan();
    let pairs = found.iter().zip(expected);
    found.len() == expected.len()
        && pairs.clone().all(|(a, b)| a == b || (format == Format::F32 && is_nan(a) && is_nan(b)))
}
