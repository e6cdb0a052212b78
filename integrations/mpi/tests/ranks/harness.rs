//! One device for all tests, which all ranks share; and random runs, on one device and over ranks.

use sparse_adam::reference::Gradient as Entries;
use sparse_adam::{
    AdamOptions, ClipGradNorm, Format, IndexDtype, Param, ParamGroup, ParamId, SparseAdam,
    SparseGrad, Tuning,
};
use sparse_adam_mpi::{
    Assign, Error, Gradient, Ranks, ShardedOptimizer, ShardedTable, Sums, Transport, Whole, World,
};
use sparse_adam_testkit::headless::Gpu;
use sparse_adam_testkit::{Named, Rng};
use std::ops::Range;
use std::sync::OnceLock;

pub fn gpu() -> &'static Gpu {
    static GPU: OnceLock<Gpu> = OnceLock::new();
    GPU.get_or_init(|| {
        let gpu = pollster::block_on(Gpu::open()).expect("the suite needs an adapter");
        eprintln!("adapter: {}", gpu.describe());
        gpu
    })
}

pub fn ranks(count: u32) -> Ranks {
    Ranks::new(count).unwrap()
}

pub fn core() -> SparseAdam {
    gpu().optimizer(AdamOptions::default(), Tuning::for_adapter(&gpu().info)).unwrap()
}

/// A rank without tables.
pub fn optimizer(end: World) -> ShardedOptimizer<World> {
    optimizer_on(gpu(), end)
}

/// As [`optimizer`], on another device.
pub fn optimizer_on(gpu: &Gpu, end: World) -> ShardedOptimizer<World> {
    let core = gpu.optimizer(AdamOptions::default(), Tuning::for_adapter(&gpu.info)).unwrap();
    ShardedOptimizer::new(end, (&gpu.device, &gpu.queue), core).unwrap()
}

/// A table of a random run.
#[derive(Clone, Debug)]
pub struct Table {
    pub shape: (usize, usize),
    pub assign: Assign,
    pub format: Format,
    pub options: AdamOptions,
    pub values: Vec<f32>,
}

/// Tables, and steps: of each table the parts of ranks, or none.
#[derive(Clone, Debug)]
pub struct Run {
    pub tables: Vec<Table>,
    /// By step and table, of each gradient the ranks' parts, gradients one behind the other.
    pub steps: Vec<Vec<Option<Vec<Entries<f32>>>>>,
    /// Gradients of each table that has any in a step.
    pub gradients: usize,
    /// What gradients are clipped by.
    pub clip: Option<ClipGradNorm>,
}

impl Run {
    /// One to three tables of a few rows, three steps. `options` draws the tables'.
    pub fn draw(rng: &mut Rng, ranks: usize, options: fn(&mut Rng) -> AdamOptions) -> Self {
        Self::draw_several(rng, (ranks, 1), options)
    }

    /// As [`Run::draw`], with several gradients in each step.
    pub fn draw_several(
        rng: &mut Rng,
        (ranks, gradients): (usize, usize),
        options: fn(&mut Rng) -> AdamOptions,
    ) -> Self {
        let table = |rng: &mut Rng| {
            let most = if rng.below(3) == 0 { 4 } else { 60 };
            let shape = (1 + rng.below(most), 1 + rng.below(9));
            let format = [Format::F32, Format::F32, Format::F16, Format::Bf16][rng.below(4)];
            let assign = [Assign::Cyclic, Assign::Block][rng.below(2)];
            let values = sparse_adam_testkit::rounded(format, &rng.floats(shape.0 * shape.1));
            let options = options(rng);
            let plain = options.catch_up == Default::default();
            // Rows that are made up for in passes are f32.
            let format = if plain { format } else { Format::F32 };
            Table { shape, assign, format, options, values }
        };
        let tables: Vec<_> = (0..1 + rng.below(3)).map(|_| table(rng)).collect();
        let gradient = |rng: &mut Rng, table: &Table| {
            if rng.below(8) == 0 {
                return None;
            }
            let most = if rng.below(3) == 0 { 400 } else { 40 };
            let part = |rng: &mut Rng| {
                let nnz = if rng.below(4) == 0 { 0 } else { rng.below(most) };
                let mut part = Named::any(rng).gradient(rng, table.shape, nnz);
                if !part.indices.is_empty() && rng.below(3) == 0 {
                    let entry = rng.below(part.indices.len());
                    part.indices[entry] = [-1, table.shape.0 as i64][rng.below(2)];
                }
                part
            };
            Some((0..ranks * gradients).map(|_| part(rng)).collect())
        };
        let step = |rng: &mut Rng| tables.iter().map(|table| gradient(rng, table)).collect();
        let steps = (0..3).map(|_| step(rng)).collect();
        Self { tables, steps, gradients, clip: None }
    }

    /// What one device makes of it, given the ranks' entries one rank after another, of each gradient.
    pub fn on_one_device(&self) -> Vec<Whole> {
        let (core, held) = self.core_on_one_device();
        let whole = |(table, (id, buffer)): (&Table, &(_, wgpu::Buffer))| {
            let words: Vec<u32> = pollster::block_on(gpu().read(buffer)).unwrap();
            let state = pollster::block_on(core.state_of(*id)).unwrap();
            (table.format.unpack(&words, table.values.len()), state)
        };
        let wholes = self.tables.iter().zip(&held).map(whole);
        wholes.map(|(values, state)| Whole::new(values, state)).collect()
    }

    /// One device's optimizer after all steps, and its tables.
    pub fn core_on_one_device(&self) -> (SparseAdam, Vec<(ParamId, wgpu::Buffer)>) {
        let (gpu, mut core) = (gpu(), core());
        core.set_clip_grad_norm(self.clip).unwrap();
        let mut held = Vec::new();
        for (number, table) in self.tables.iter().enumerate() {
            let buffer = gpu.upload("p", &table.format.pack(&table.values));
            let shape = [table.shape.0 as u32, table.shape.1 as u32];
            let param = Param::new(format!("p{number}"), &buffer, shape).format(table.format);
            let group = core.add_param_group(ParamGroup::new([param]).options(table.options));
            held.push((core.group_params(group.unwrap()).unwrap()[0], buffer));
        }
        for step in &self.steps {
            core.clear_grads();
            for ((id, _), parts) in held.iter().zip(step) {
                let Some(parts) = parts else { continue };
                let ids: Vec<_> = parts.iter().flat_map(|part| &part.indices).copied().collect();
                let values: Vec<_> = parts.iter().flat_map(|part| &part.values).copied().collect();
                let gradient = match ids.len() as u32 {
                    0 => SparseGrad::empty(),
                    nnz => SparseGrad::new(gpu.upload("i", &ids), gpu.upload("v", &values), nnz)
                        .index_dtype(IndexDtype::I64),
                };
                core.set_grad(*id, gradient).unwrap();
            }
            gpu.submit(|encoder| core.step(encoder)).unwrap();
        }
        (core, held)
    }

    /// What ranks make of it.
    pub fn over_ranks(&self, count: u32, sums: Sums) -> Vec<Whole> {
        let ended = World::run(ranks(count), |end| self.rank(end, sums).unwrap());
        ended.into_iter().next().unwrap()
    }

    fn rank(&self, end: World, sums: Sums) -> Result<Vec<Whole>, Error> {
        let rank = end.rank() as usize;
        let mut optimizer = optimizer(end).sums(sums);
        let ids = self.add_to(&mut optimizer, |assign| assign)?;
        self.steps(&mut optimizer, &ids, 0..self.steps.len())?;
        let count = optimizer.ranks().get() as usize;
        for (number, (&id, table)) in ids.iter().zip(&self.tables).enumerate() {
            let parts = self.steps.iter().filter_map(|step| step[number].as_ref());
            let own = parts.flat_map(|parts| parts.iter().skip(rank).step_by(count));
            let rows = 0..table.shape.0 as i64;
            let outside = own.flat_map(|part| &part.indices).filter(|id| !rows.contains(id));
            assert_eq!(optimizer.out_of_range(id), Ok(outside.count() as u64));
        }
        whole(&mut optimizer, &ids)
    }

    /// Adds the tables, dealt out as `assign` says for each.
    pub fn add_to(
        &self,
        optimizer: &mut ShardedOptimizer<World>,
        assign: fn(Assign) -> Assign,
    ) -> Result<Vec<ParamId>, Error> {
        let mut ids = Vec::new();
        for (number, table) in self.tables.iter().enumerate() {
            let (rows, dim) = table.shape;
            let init = |row: u64, values: &mut [f32]| {
                values.copy_from_slice(&table.values[row as usize * dim..][..dim]);
            };
            let name = format!("p{number}");
            let sharded = ShardedTable::new(name, rows as u64, &[dim as u32], init);
            let sharded = sharded.assign(assign(table.assign)).format(table.format);
            let group = optimizer.add_group(table.options, vec![sharded])?;
            ids.extend(optimizer.core().group_params(group)?);
        }
        Ok(ids)
    }

    /// Makes some of the steps. Where there are fewer ranks than the run was drawn for, the last one has the rest; where there
    /// are more, those have nothing.
    pub fn steps(
        &self,
        optimizer: &mut ShardedOptimizer<World>,
        ids: &[ParamId],
        steps: Range<usize>,
    ) -> Result<(), Error> {
        optimizer.set_clip_grad_norm(self.clip)?;
        let (rank, last) = (optimizer.rank() as usize, optimizer.ranks().get() as usize - 1);
        for step in &self.steps[steps] {
            let mut owned = Vec::new();
            for (&id, parts) in ids.iter().zip(step) {
                let Some(parts) = parts else { continue };
                for parts in parts.chunks(parts.len() / self.gradients) {
                    let (from, to) = (rank.min(parts.len()), (rank + 1).min(parts.len()));
                    let own = &parts[from..if rank == last { parts.len() } else { to }];
                    let own_ids = own.iter().flat_map(|part| &part.indices).copied();
                    let values = own.iter().flat_map(|part| &part.values).copied();
                    owned.push((id, own_ids.collect::<Vec<_>>(), values.collect::<Vec<_>>()));
                }
            }
            let gradients: Vec<_> =
                owned.iter().map(|(id, ids, values)| (*id, Gradient { ids, values })).collect();
            optimizer.step(&gradients)?;
        }
        Ok(())
    }
}

/// All tables, on rank 0.
pub fn whole(
    optimizer: &mut ShardedOptimizer<World>,
    ids: &[ParamId],
) -> Result<Vec<Whole>, Error> {
    let wholes: Result<Vec<_>, _> = ids.iter().map(|&id| optimizer.gather(id)).collect();
    Ok(wholes?.into_iter().flatten().collect())
}

/// As [`Whole`], its floats as bits.
type Bits = (Vec<u32>, Option<(u64, Vec<Vec<u32>>)>);

pub fn bits(whole: &Whole) -> Bits {
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    let state = whole.state.as_ref().map(|state| {
        let mut tensors = vec![bits(&state.exp_avg), bits(&state.exp_avg_sq), state.shape.clone()];
        tensors.extend(state.max_exp_avg_sq.as_deref().map(bits));
        let counts = state.rows.as_deref().cloned().unwrap_or_default();
        tensors.extend(counts.row_counter.into_iter().chain(counts.prev_iter));
        (state.step, tensors)
    });
    (bits(&whole.values), state)
}
