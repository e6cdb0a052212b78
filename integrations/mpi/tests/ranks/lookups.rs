//! Rows looked up over ranks, and gradients given for them: the rows and the bits of one device.

use super::harness::{bits, core, gpu, optimizer, ranks};
use sparse_adam::{AdamOptions, Format, IndexDtype, Param, ParamGroup, ParamId, SparseGrad};
use sparse_adam_mpi::{
    Assign, Gradient, Looked, ShardedOptimizer, ShardedTable, Sums, Transport, Values, Whole, World,
};
use sparse_adam_testkit::Rng;
use sparse_adam_testkit::campaign::fresh_seed;
use sparse_adam_testkit::headless::Gpu;

/// How a rank gives the gradient of a table.
#[derive(Clone, Debug)]
struct Batch {
    ids: Vec<i64>,
    /// `[ids, dim]`, or `[bags, dim]`.
    values: Vec<f32>,
    bags: u32,
    map: Option<Vec<u32>>,
    weights: Option<Vec<f32>>,
}

#[derive(Clone, Debug)]
struct Table {
    shape: (usize, usize),
    assign: Assign,
    format: Format,
    start: Vec<f32>,
}

/// Tables, and of each step, lookup, table and rank a batch; in all steps each table has bags or none, weights or none.
#[derive(Debug)]
struct Run {
    tables: Vec<Table>,
    steps: Vec<Vec<Vec<Vec<Batch>>>>,
}

fn batch(rng: &mut Rng, table: &Table, bagged: bool, weighted: bool) -> Batch {
    let bags = rng.below(30);
    let (mut grad, map) = rng.bags(table.shape.0, table.shape.1, bags);
    if !map.is_empty() && rng.below(3) == 0 {
        let entry = rng.below(map.len());
        grad.indices[entry] = [-1, table.shape.0 as i64][rng.below(2)];
    }
    let dim = table.shape.1;
    let row = |&bag: &u32| grad.values[bag as usize * dim..][..dim].to_vec();
    let spread: Vec<_> = map.iter().flat_map(row).collect();
    let weights = weighted.then(|| rng.floats(map.len()));
    let (values, map) = if bagged { (grad.values, Some(map)) } else { (spread, None) };
    Batch { ids: grad.indices, values, bags: bags as u32, map, weights }
}

impl Run {
    fn draw(rng: &mut Rng, ranks: usize) -> Self {
        let table = |rng: &mut Rng| {
            let shape = (1 + rng.below(50), 1 + rng.below(9));
            let format = [Format::F32, Format::F16, Format::Bf16][rng.below(3)];
            let start = sparse_adam_testkit::rounded(format, &rng.floats(shape.0 * shape.1));
            Table { shape, assign: [Assign::Cyclic, Assign::Block][rng.below(2)], format, start }
        };
        let tables: Vec<_> = (0..1 + rng.below(3)).map(|_| table(rng)).collect();
        let forms: Vec<_> = tables.iter().map(|_| (rng.below(2) == 0, rng.below(2) == 0)).collect();
        let lookup = |rng: &mut Rng| {
            let each = tables.iter().zip(&forms);
            let of = |(table, &(bagged, weighted)): (&Table, &(bool, bool))| {
                (0..ranks).map(|_| batch(rng, table, bagged, weighted)).collect()
            };
            each.map(of).collect()
        };
        // The first step has one lookup, the others two.
        let steps = (0..3).map(|step| (0..=step.min(1)).map(|_| lookup(rng)).collect()).collect();
        Self { tables, steps }
    }

    /// The tables before each step, and at the end.
    fn on_one_device(&self) -> Vec<Vec<Whole>> {
        let (gpu, mut core) = (gpu(), core());
        let mut held = Vec::new();
        for (number, table) in self.tables.iter().enumerate() {
            let buffer = gpu.upload("p", &table.format.pack(&table.start));
            let shape = [table.shape.0 as u32, table.shape.1 as u32];
            let param = Param::new(format!("p{number}"), &buffer, shape).format(table.format);
            let group = core.add_param_group(ParamGroup::new([param]).options(options())).unwrap();
            held.push((core.group_params(group).unwrap()[0], buffer));
        }
        let whole = |core: &sparse_adam::SparseAdam| {
            let of = |(table, (id, buffer)): (&Table, &(ParamId, wgpu::Buffer))| {
                let words: Vec<u32> = pollster::block_on(gpu.read(buffer)).unwrap();
                let state = pollster::block_on(core.state_of(*id)).unwrap();
                Whole::new(table.format.unpack(&words, table.start.len()), state)
            };
            self.tables.iter().zip(&held).map(of).collect::<Vec<_>>()
        };
        let mut wholes = vec![whole(&core)];
        for step in &self.steps {
            core.clear_grads();
            for lookup in step {
                for ((id, _), parts) in held.iter().zip(lookup) {
                    core.accumulate_grad(*id, joined(parts)).unwrap();
                }
            }
            gpu.submit(|encoder| core.step(encoder)).unwrap();
            wholes.push(whole(&core));
        }
        wholes
    }

    /// As a rank, which looks up what it needs and checks that it is what one device has then.
    fn rank(&self, end: World, sums: Sums, expected: &[Vec<Whole>]) -> Option<Vec<Whole>> {
        let rank = end.rank() as usize;
        let mut optimizer = optimizer(end).sums(sums);
        let ids = self.add_to(&mut optimizer);
        for (step, before) in self.steps.iter().zip(expected) {
            for lookup in step {
                let own: Vec<_> = lookup.iter().map(|parts| &parts[rank]).collect();
                let asked: Vec<_> =
                    ids.iter().zip(&own).map(|(&id, batch)| (id, &batch.ids[..])).collect();
                let asked = optimizer.ask(&asked).unwrap();
                let looked = optimizer.rows(asked).unwrap();
                for (number, table) in self.tables.iter().enumerate() {
                    check(table, &own[number].ids, &looked, number, &before[number]);
                }
                let values: Vec<_> = own.iter().map(|batch| batch.values()).collect();
                optimizer.give(looked, &values).unwrap();
            }
            optimizer.step(&[]).unwrap();
        }
        let wholes: Vec<_> = ids.iter().map(|&id| optimizer.gather(id).unwrap()).collect();
        wholes.into_iter().collect()
    }

    fn add_to(&self, optimizer: &mut ShardedOptimizer<World>) -> Vec<ParamId> {
        let mut ids = Vec::new();
        for (number, table) in self.tables.iter().enumerate() {
            let (rows, dim) = table.shape;
            let init = |row: u64, values: &mut [f32]| {
                values.copy_from_slice(&table.start[row as usize * dim..][..dim]);
            };
            let sharded = ShardedTable::new(format!("p{number}"), rows as u64, &[dim as u32], init);
            let sharded = sharded.assign(table.assign).format(table.format);
            let group = optimizer.add_group(options(), vec![sharded]).unwrap();
            ids.extend(optimizer.core().group_params(group).unwrap());
        }
        ids
    }
}

fn options() -> AdamOptions {
    AdamOptions::default().lr(0.01)
}

impl Batch {
    fn values(&self) -> Values {
        let gpu = gpu();
        // Buffers may be larger than what is read.
        let upload = |words: &[u32]| gpu.upload("given", &[words, &[u32::MAX; 3]].concat());
        let rows = upload(bytemuck::cast_slice(&self.values));
        let values = match &self.map {
            None => Values::rows(&rows),
            Some(map) => Values::bags(&rows, upload(map), self.bags),
        };
        match &self.weights {
            None => values,
            Some(weights) => values.weighted(upload(bytemuck::cast_slice(weights))),
        }
    }
}

/// The gradient of all ranks, as one device is given it.
fn joined(parts: &[Batch]) -> SparseGrad {
    let (mut ids, mut map) = (Vec::<i64>::new(), Vec::<u32>::new());
    let (mut values, mut weights) = (Vec::<f32>::new(), Vec::<f32>::new());
    let mut bags = 0;
    for part in parts {
        ids.extend(&part.ids);
        values.extend(&part.values);
        weights.extend(part.weights.iter().flatten());
        if let Some(own) = &part.map {
            map.extend(own.iter().map(|bag| bags + bag));
            bags += part.bags;
        }
    }
    if ids.is_empty() {
        return SparseGrad::empty();
    }
    let gpu = gpu();
    let grad = SparseGrad::new(gpu.upload("i", &ids), gpu.upload("v", &values), ids.len() as u32)
        .index_dtype(IndexDtype::I64);
    let grad = match map[..] {
        [] => grad,
        _ => grad.value_map(gpu.upload("m", &map), bags),
    };
    match weights[..] {
        [] => grad,
        _ => grad.weights(gpu.upload("w", &weights)),
    }
}

/// That each id finds its row of the table, and one of no row zeros.
fn check(table: &Table, ids: &[i64], looked: &Looked, number: usize, before: &Whole) {
    let read = |region: &sparse_adam::Region| {
        let words: Vec<u32> = pollster::block_on(gpu().read(region.buffer())).unwrap();
        words[..region.size() as usize / 4].to_vec()
    };
    let found = &looked[number];
    let (rows, map) = (read(&found.rows), read(&found.map));
    let (count, dim) = table.shape;
    assert_eq!(rows.len(), (found.unique as usize + 1) * dim);
    for (&id, &place) in ids.iter().zip(&map) {
        let row = &rows[place as usize * dim..][..dim];
        let expected = match usize::try_from(id).ok().filter(|&id| id < count) {
            Some(id) => {
                before.values[id * dim..][..dim].iter().map(|value| value.to_bits()).collect()
            }
            None => vec![0; dim],
        };
        assert_eq!(row, expected, "id {id}");
    }
}

fn compare(seed: u64, runs: u32, sums: Sums) {
    let mut rng = Rng(seed);
    for number in 0..runs {
        let count = 1 + number % 5;
        let run = Run::draw(&mut rng, count as usize);
        let expected = run.on_one_device();
        let ended = World::run(ranks(count), |end| run.rank(end, sums, &expected));
        let found = ended.into_iter().next().flatten().unwrap();
        for (found, expected) in found.iter().zip(expected.last().unwrap()) {
            assert!(bits(found) == bits(expected), "run {number} of seed {seed}, {count} ranks");
        }
    }
}

#[test]
fn have_the_rows_and_the_bits_of_one_device() {
    let seed = fresh_seed();
    compare(seed, 25, Sums::Entries);
}

/// One call may look up, and give, several lists of one table; a step may have a gradient of its own behind them.
#[test]
fn of_one_table_there_may_be_several_in_a_call() {
    let mut rng = Rng(fresh_seed());
    let part = |rng: &mut Rng| rng.gradient(9, 3, 40);
    for sums in [Sums::Entries, Sums::Chunks] {
        // By gradient and rank.
        let parts = [(); 3].map(|()| [(); 2].map(|()| part(&mut rng)));
        let ended = World::run(ranks(2), |end| {
            let rank = end.rank() as usize;
            let mut optimizer = optimizer(end).sums(sums);
            let table = ShardedTable::new("t", 9, &[3], |row, out| out.fill(row as f32));
            let group = optimizer.add_group(options(), vec![table]).unwrap();
            let id = optimizer.core().group_params(group).unwrap()[0];
            let own = parts.each_ref().map(|parts| &parts[rank]);
            let asked = optimizer.ask(&[(id, &own[0].indices), (id, &own[1].indices)]).unwrap();
            let looked = optimizer.rows(asked).unwrap();
            let values = [own[0], own[1]].map(|part| Values::rows(gpu().upload("v", &part.values)));
            optimizer.give(looked, &values).unwrap();
            let last = Gradient { ids: &own[2].indices, values: &own[2].values };
            optimizer.step(&[(id, last)]).unwrap();
            optimizer.gather(id).unwrap()
        });
        let mut core = core();
        let start: Vec<_> = (0..9).flat_map(|row| [row as f32; 3]).collect();
        let buffer = gpu().upload("p", &start);
        let group = core.add_param_group(ParamGroup::new([Param::new("t", &buffer, [9, 3])]));
        let id = core.group_params(group.unwrap()).unwrap()[0];
        core.set_options(core.group_of(id).unwrap(), options()).unwrap();
        let parts = parts.iter().flatten();
        let (ids, values): (Vec<_>, Vec<_>) =
            parts.map(|part| (part.indices.clone(), part.values.clone())).unzip();
        let (ids, values) = (ids.concat(), values.concat());
        let grad = SparseGrad::new(gpu().upload("i", &ids), gpu().upload("v", &values), 240);
        core.set_grad(id, grad.index_dtype(IndexDtype::I64)).unwrap();
        gpu().submit(|encoder| core.step(encoder)).unwrap();
        let state = pollster::block_on(core.state_of(id)).unwrap();
        let expected = Whole::new(pollster::block_on(gpu().read(&buffer)).unwrap(), state);
        let found = ended.into_iter().next().flatten().unwrap();
        assert!(bits(&found) == bits(&expected), "{sums:?}");
    }
}

#[test]
fn have_them_with_sums_of_chunks() {
    let seed = fresh_seed();
    compare(seed, 15, Sums::Chunks);
}

/// The kernel against the table itself: several windows, more rows than one binding holds, rows moved by four values and by one,
/// numbers of 16 bits that share words.
#[test]
fn rows_of_several_windows_are_found() {
    let binding = 1 << 16;
    let limits = wgpu::Limits {
        max_storage_buffer_binding_size: binding,
        ..wgpu::Limits::downlevel_defaults()
    };
    let small = pollster::block_on(Gpu::open_with_limits(limits)).unwrap();
    let mut rng = Rng(fresh_seed());
    let dims = [5 + 2 * rng.below(3), 8 + 4 * rng.below(4)];
    let formats = [Format::F32, Format::F16, Format::Bf16];
    for (dim, format) in dims.into_iter().flat_map(|dim| formats.map(|format| (dim, format))) {
        let rows = 8_000 + rng.below(100);
        let table = sparse_adam_testkit::rounded(format, &rng.floats(rows * dim));
        let end = World::threads(ranks(1)).remove(0);
        let mut optimizer = super::harness::optimizer_on(&small, end);
        let sharded = ShardedTable::new("t", rows as u64, &[dim as u32], |row, out| {
            out.copy_from_slice(&table[row as usize * dim..][..dim]);
        });
        let group = optimizer.add_group(options(), vec![sharded.format(format)]).unwrap();
        let id = optimizer.core().group_params(group).unwrap()[0];
        assert!(optimizer.core().regions(id).unwrap().len() > 1, "one window");
        let ids: Vec<_> = (0..3000).map(|_| rng.below(rows) as i64).collect();
        let asked = optimizer.ask(&[(id, &ids)]).unwrap();
        let looked = optimizer.rows(asked).unwrap();
        let read = |region: &sparse_adam::Region| -> Vec<u32> {
            pollster::block_on(small.read(region.buffer())).unwrap()
        };
        let (found, map) = (read(&looked[0].rows), read(&looked[0].map));
        for (&id, &place) in ids.iter().zip(&map) {
            let row = &found[place as usize * dim..][..dim];
            let expected = table[id as usize * dim..][..dim].iter().map(|value| value.to_bits());
            assert!(row.iter().copied().eq(expected), "row {id} of {dim}, {format:?}");
        }
        optimizer.forget(looked);
    }
}
