//! A cached table has the bits of a resident one: any rule, any format, the smallest cache that fits.

use bytemuck::cast_slice;
use pollster::block_on;
use safetensors::SafeTensors;
use sparse_adam::{
    AdamOptions, CatchUp, ClipGradNorm, Format, Param, ParamId, ParamState, RowWindow,
    SecondMoment, SparseAdam, SparseGrad, StateDict, StateStorage, Tuning,
};
use sparse_adam_cached::{CachedTable, MemoryStore, RowStore};
use sparse_adam_testkit::campaign::Budget;
use sparse_adam_testkit::headless::Gpu;
use sparse_adam_testkit::{Rng, Stored, drawn_variants};
use std::collections::BTreeSet;
use wgpu::Buffer;

/// A table, resident and cached, and the ids of every step.
struct Table {
    dim: usize,
    stored: Stored,
    rows: usize,
    /// Bytes of a row's weights.
    row: usize,
    batches: Vec<Vec<u64>>,
    resident: ParamId,
    cache: ParamId,
    cached: CachedTable<MemoryStore>,
    /// The parameters' buffers.
    weights: [Buffer; 2],
}

/// The weights at first, one row behind the other, and how many rows training meets: those behind them have any bits, NaN
/// payloads and subnormal numbers among them.
fn initial(rng: &mut Rng, format: Format, rows: usize, dim: usize) -> (Vec<u8>, usize) {
    let trained = rows / 2 + rng.below(rows / 2);
    let row_bytes = row_bytes(format, dim);
    let mut bytes = Vec::new();
    for row in 0..rows {
        let words = match row < trained {
            true => format.pack(&rng.floats(dim)),
            false => {
                let words = format.pack(&vec![0.0; dim]).len();
                let any = [0x7fa0_0001, 0xffc1_2345, 0x0000_0001, 0x807f_ffff, 0x8000_0000];
                (0..words).map(|_| any[rng.below(5)] ^ (rng.next() as u32 & 0xff00)).collect()
            }
        };
        bytes.extend(&cast_slice::<u32, u8>(&words)[..row_bytes]);
    }
    (bytes, trained)
}

fn row_bytes(format: Format, dim: usize) -> usize {
    if format == Format::F32 { 4 * dim } else { 2 * dim }
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
    (number, stored, looks): (usize, Stored, &[bool]),
) -> Table {
    let rows = 40 + rng.below(150);
    let dim = [1, 2, 3, 4, 5, 6, 7, 8, 20, 32][rng.below(10)];
    let (initial, trained) = initial(rng, stored.param, rows, dim);
    let batches = batches(rng, looks, rows, trained);
    let slots = fewest_slots(&batches);
    let row = row_bytes(stored.param, dim);
    let whole = |bytes: usize| bytes.next_multiple_of(4);
    let mut padded = initial.clone();
    padded.resize(whole(padded.len()), 0);
    let weights = [gpu.upload("resident", &padded), gpu.zeroed("cache", whole(row * slots) as u64)];
    let param = |buffer: &Buffer, rows: usize| {
        Param::new(format!("table {number}"), buffer, [rows as u32, dim as u32])
            .format(stored.param)
            .moments(stored.moments)
            .rounding(stored.rounding)
    };
    let resident = resident.add_param(param(&weights[0], rows)).unwrap();
    let held = cache.add_param(param(&weights[1], slots)).unwrap();
    let cached = CachedTable::with_threads(&gpu.device, &gpu.queue, cache, held, 2, |layout| {
        let init = move |number: u64, bytes: &mut [u8]| {
            bytes[..row].copy_from_slice(&initial[number as usize * row..][..row]);
        };
        Ok(MemoryStore::new(rows as u64, layout, init))
    });
    let cached = cached.unwrap();
    Table { dim, stored, rows, row, batches, resident, cache: held, cached, weights }
}

/// Any options, and formats that go with them.
fn options(rng: &mut Rng) -> AdamOptions {
    let options = rng.options();
    rng.rule(options)
}

fn stored(rng: &mut Rng, options: &AdamOptions) -> Stored {
    loop {
        let stored = Stored::any(rng);
        let are_f32 = [stored.param, stored.moments] == [Format::F32; 2];
        let by_value = !options.amsgrad && options.second_moment == SecondMoment::Element;
        if are_f32
            || (options.catch_up == CatchUp::Never && (stored.moments == Format::F32 || by_value))
        {
            return stored;
        }
    }
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
    let tables = 1 + rng.below(3);
    let [resident, cache] = &mut both;
    let mut tables: Vec<Table> = (0..tables)
        .map(|number| {
            let stored = stored(rng, &options);
            table(rng, gpu, [resident, cache], (number, stored, &looks))
        })
        .collect();
    train(rng, gpu, &mut both, (&mut tables, &looks));
    for table in &mut tables {
        table.cached.flush(&mut both[1]).unwrap();
        compare(gpu, &mut both[0], table);
        export(gpu, &mut both, table);
        let told = table.cached.statistics();
        let named = |batch: &Vec<u64>| batch.iter().collect::<BTreeSet<_>>().len() as u64;
        // Rows that caught up were batches too.
        let is_lazy = options.catch_up == CatchUp::Never;
        assert!(!is_lazy || told.batches == looks.len() as u64);
        let all = table.batches.iter().map(named).sum::<u64>();
        assert!(!is_lazy || told.hits + told.misses == all);
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
        let (flushes, catches_up) = (rng.below(8) == 0, rng.below(10) == 0);
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
        if catches_up {
            gpu.submit(|encoder| both[0].flush(encoder)).unwrap();
            for (table, plan) in tables.iter_mut().zip(&mut plans) {
                table.cached.catch_up(&mut both[1]).unwrap();
                *plan = table.batches.get(step + 1).map(|ids| table.cached.plan(ids).unwrap());
            }
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
    let [resident, cache] = [0, 1].map(|at| block_on(gpu.read::<u8>(&table.weights[at])).unwrap());
    for &row in &table.batches[step] {
        let slot = table.cached.slot_of(row).unwrap() as usize;
        let found = &cache[slot * table.row..][..table.row];
        let expected = &resident[row as usize * table.row..][..table.row];
        assert!(same(table.stored.param, found, expected), "row {row} in step {step}");
    }
}

/// Every row of the store against the resident table's.
fn compare(gpu: &Gpu, adam: &mut SparseAdam, table: &Table) {
    let read = |windows: Vec<RowWindow>| {
        let bytes = windows.iter().flat_map(|w| block_on(gpu.read::<u8>(&w.region)).unwrap());
        bytes.collect::<Vec<u8>>()
    };
    let state = [
        read(adam.moments(table.resident).unwrap()),
        read(adam.row_state(table.resident).unwrap()),
    ];
    let row_bytes = state.each_ref().map(|part| part.len() / table.rows);
    let weights = read(adam.regions(table.resident).unwrap());
    let (formats, layout) = (table.stored, table.cached.layout());
    let of_words = if formats.moments == Format::F32 { Format::F32 } else { Format::Bf16 };
    let mut record = vec![0; layout.bytes()];
    for row in 0..table.rows {
        table.cached.store().read(&[row as u64], &mut record).unwrap();
        let (found, rest) = record.split_at(layout.weights as usize);
        let (found, pad) = found.split_at(table.row);
        assert!(pad.iter().all(|&byte| byte == 0), "row {row}: a half that is nobody's");
        let (moments, rows) = rest.split_at(layout.moments as usize);
        let expected = [0, 1].map(|part| &state[part][row * row_bytes[part]..][..row_bytes[part]]);
        let parts = [
            (formats.param, found, &weights[row * table.row..][..table.row]),
            (of_words, moments, expected[0]),
            (Format::F32, rows, expected[1]),
        ];
        for (number, (format, found, expected)) in parts.into_iter().enumerate() {
            assert!(
                same(format, found, expected),
                "{}: row {row} of {} x {}, part {number}, {formats:?}:\n{found:x?}\n{expected:x?}",
                gpu.describe(),
                table.rows,
                table.dim,
            );
        }
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
    let stored = both[0].state_storage(table.resident).unwrap();
    let is_plain = stored == StateStorage::default();
    assert_eq!(saved.storage.get(&0), (!is_plain).then_some(&stored));
    let bytes = std::fs::read(&weights).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let held = file.tensor(both[1].name(table.cache).unwrap()).unwrap();
    assert_eq!(held.shape(), [table.rows, table.dim]);
    let expected: Vec<u8> = block_on(gpu.read(&table.weights[0])).unwrap();
    let found = held.data();
    assert!(same(table.stored.param, found, &expected[..found.len()]), "exported weights");
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Whether numbers have the same bits; a NaN of f32 that arithmetic made may be any other.
fn same(format: Format, found: &[u8], expected: &[u8]) -> bool {
    if format != Format::F32 {
        return found == expected;
    }
    let numbers = |bytes: &[u8]| bytemuck::pod_collect_to_vec::<u8, u32>(bytes);
    let is_nan = |word: &u32| f32::from_bits(*word).is_nan();
    let (found, expected) = (numbers(found), numbers(expected));
    let mut pairs = found.iter().zip(&expected);
    found.len() == expected.len() && pairs.all(|(a, b)| a == b || (is_nan(a) && is_nan(b)))
}
