//! Adapters, seeded inputs, and buffers surrounded by poison.

use sparse_adam::reference::{self, Gradient, Table};
use sparse_adam::{
    AdamOptions, Form, IndexDtype, Param, ParamGroup, ParamId, Region, SparseAdam, SparseGrad,
    Status, Tuning,
};
use sparse_adam_testkit::headless::Gpu;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::OnceLock;
use std::time::{Duration, Instant, UNIX_EPOCH};
use wgpu::DeviceType;

/// Every adapter present, opened once. Panics where there is none.
pub fn gpus() -> &'static [Gpu] {
    static GPUS: OnceLock<Vec<Gpu>> = OnceLock::new();
    GPUS.get_or_init(|| {
        let gpus = pollster::block_on(Gpu::open_all()).expect("the suite needs an adapter");
        gpus.iter().for_each(|gpu| eprintln!("adapter: {}", gpu.describe()));
        gpus
    })
}

/// Every adapter with its own tuning, and with that of the other kind.
pub fn variants() -> Vec<(&'static Gpu, Tuning)> {
    let both = |gpu| [(gpu, Tuning::CPU), (gpu, Tuning::GPU)];
    gpus().iter().flat_map(both).collect()
}

/// Whether an adapter rounds correctly and does not fuse: its bits must equal the twin's.
pub fn is_exact(gpu: &Gpu) -> bool {
    let name = gpu.info.name.to_lowercase();
    gpu.info.device_type == DeviceType::Cpu
        || name.contains("llvmpipe")
        || name.contains("swiftshader")
}

/// Another seed each run, printed; `SPARSE_ADAM_SEED` repeats one.
pub fn fresh_seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    *SEED.get_or_init(|| {
        let given = std::env::var("SPARSE_ADAM_SEED").ok();
        let seed = given.map_or_else(
            || UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64 % 1_000_000_007,
            |seed| seed.parse().expect("SPARSE_ADAM_SEED is a number"),
        );
        eprintln!("SPARSE_ADAM_SEED={seed}");
        seed
    })
}

/// How long a campaign goes on: `SPARSE_ADAM_CAMPAIGN_SECONDS`, two where it is not set.
pub struct Budget {
    until: Instant,
    /// The first seed.
    pub seed: u64,
}

impl Budget {
    pub fn new() -> Self {
        Self::shared(1)
    }

    /// One of so many equal parts.
    pub fn shared(parts: usize) -> Self {
        let given = std::env::var("SPARSE_ADAM_CAMPAIGN_SECONDS").ok();
        let seconds: f64 = given.map_or(2.0, |seconds| seconds.parse().expect("seconds"));
        let seconds = seconds / parts as f64;
        Self { until: Instant::now() + Duration::from_secs_f64(seconds), seed: fresh_seed() }
    }

    pub fn is_left(&self) -> bool {
        Instant::now() < self.until
    }
}

/// A tuning that is valid, and nothing else.
pub fn random_tuning(rng: &mut Rng) -> Tuning {
    let mut tuning = if rng.below(2) == 0 { Tuning::CPU } else { Tuning::GPU };
    let serial = tuning.form == Form::Serial;
    tuning.workgroup = 8 << rng.below(6);
    tuning.digit_bits = 1 + rng.below(if serial { 12 } else { 8 }) as u32;
    tuning.max_lanes = if serial { 1 } else { (1 << rng.below(9)).min(tuning.workgroup) };
    tuning.ingest_strip = 1 + rng.below(1024) as u32;
    tuning.update_tile = 1 + rng.below(if serial { 4096 } else { 256 }) as u32;
    tuning.spread = 1 + rng.below(9) as u32;
    tuning.sums_at_once = 1 + rng.below(8) as u32;
    tuning.small = 1 + rng.below(if serial { 4096 } else { 1024 }) as u32;
    tuning.wide_words = rng.below(2) == 0;
    tuning
}

/// A seeded generator (splitmix64, Steele et al. 2014).
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// Uniform in [-1, 1).
    pub fn signed(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    pub fn floats(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.signed()).collect()
    }

    /// Options of a group, anything but extreme.
    pub fn options(&mut self) -> AdamOptions {
        AdamOptions {
            lr: 10f64.powf(f64::from(self.signed()) - 2.0),
            betas: (0.9 + 0.05 * f64::from(self.signed()), 0.99 + 0.009 * f64::from(self.signed())),
            eps: 1e-8,
            maximize: self.below(2) == 1,
        }
    }

    /// `nnz` entries: a hot row, a few rows, and rows from anywhere; in no order.
    pub fn gradient(&mut self, rows: usize, dim: usize, nnz: usize) -> Gradient<f32> {
        let hot = self.below(rows);
        let few = rows.min(7);
        let index = |rng: &mut Self| match rng.below(4) {
            0 => hot,
            1 => rng.below(few),
            _ => rng.below(rows),
        };
        let indices = (0..nnz).map(|_| index(self) as i64).collect();
        Gradient { indices, values: self.floats(nnz * dim) }
    }
}

/// What surrounds every region: a NaN whose bits no computation makes.
const POISON: u32 = 0x7fc0_dead;

/// A region at a non-zero offset of a buffer filled with poison.
pub struct Poisoned {
    pub region: Region,
    bytes: u64,
    /// Of what was put inside.
    hash: u64,
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

impl Poisoned {
    pub fn new<T: bytemuck::Pod>(gpu: &Gpu, contents: &[T]) -> Self {
        let contents: &[u8] = bytemuck::cast_slice(contents);
        let guard = u64::from(gpu.device.limits().min_storage_buffer_offset_alignment).max(256);
        let bytes = contents.len() as u64;
        let mut words = vec![POISON; (2 * guard + bytes.next_multiple_of(4)) as usize / 4];
        let inside = guard as usize..guard as usize + contents.len();
        bytemuck::cast_slice_mut::<_, u8>(&mut words)[inside].copy_from_slice(contents);
        let buffer = gpu.upload("poisoned", &words);
        let region = Region::from(buffer.slice(guard..guard + bytes.max(4)));
        Self { region, bytes, hash: hash(contents) }
    }

    /// What is inside; panics if the poison around it is not whole.
    pub fn read<T: bytemuck::Pod>(&self, gpu: &Gpu) -> Vec<T> {
        let all: Vec<u32> = pollster::block_on(gpu.read(self.region.buffer())).unwrap();
        let (start, end) = (self.region.offset(), self.region.offset() + self.bytes);
        let (before, rest) = all.split_at(start as usize / 4);
        let (inside, after) = rest.split_at((end - start) as usize / 4);
        assert!(before.iter().chain(after).all(|&word| word == POISON), "the poison was touched");
        bytemuck::pod_collect_to_vec(inside)
    }
}

/// An index list as it lies in memory.
pub fn encode(indices: &[i64], format: IndexDtype) -> Vec<u8> {
    let bytes = |&index: &i64| match format {
        IndexDtype::I64 => index.to_le_bytes().to_vec(),
        IndexDtype::I32 => (index as i32).to_le_bytes().to_vec(),
        IndexDtype::U32 => (index as u32).to_le_bytes().to_vec(),
    };
    indices.iter().flat_map(bytes).collect()
}

/// Tables on an adapter and their twins on the CPU, stepped together.
pub struct Pair {
    pub gpu: &'static Gpu,
    pub optimizer: SparseAdam,
    pub ids: Vec<ParamId>,
    pub params: Vec<Poisoned>,
    pub twins: Vec<Table<f32>>,
    pub options: Vec<AdamOptions>,
    /// Gradient buffers, held until the next step so that dirty memory is around.
    held: Vec<Poisoned>,
}

impl Pair {
    /// Tables of `shapes` (rows, dim), each in its own group with its own options.
    pub fn new(
        (gpu, tuning): (&'static Gpu, Tuning),
        shapes: &[(usize, usize)],
        options: &[AdamOptions],
        rng: &mut Rng,
    ) -> Self {
        let defaults = AdamOptions::default();
        let mut optimizer =
            SparseAdam::with_tuning(&gpu.device, &gpu.queue, defaults, tuning).unwrap();
        let (mut ids, mut params, mut twins) = (Vec::new(), Vec::new(), Vec::new());
        for (table, (&(rows, dim), options)) in shapes.iter().zip(options).enumerate() {
            let values = rng.floats(rows * dim);
            let poisoned = Poisoned::new(gpu, &values);
            let shape = [rows as u32, dim as u32];
            let param = Param::new(format!("p{table}"), poisoned.region.clone(), shape);
            let AdamOptions { lr, betas, eps, maximize } = *options;
            let group = ParamGroup::new([param]).lr(lr).betas(betas).eps(eps).maximize(maximize);
            let group = optimizer.add_param_group(group).unwrap();
            ids.extend(optimizer.group_params(group).unwrap());
            params.push(poisoned);
            twins.push(Table::new(values, dim));
        }
        let (options, held) = (options.to_vec(), Vec::new());
        Self { gpu, optimizer, ids, params, twins, options, held }
    }

    /// One table with default options.
    pub fn single(on: (&'static Gpu, Tuning), rows: usize, dim: usize, rng: &mut Rng) -> Self {
        Self::new(on, &[(rows, dim)], &[AdamOptions::default()], rng)
    }

    pub fn set_grad(&mut self, table: usize, grad: &Gradient<f32>) {
        let formats = [IndexDtype::U32, IndexDtype::I32, IndexDtype::I64];
        self.set_grad_as(table, grad, formats[grad.indices.len() % 3]);
    }

    pub fn set_grad_as(&mut self, table: usize, grad: &Gradient<f32>, format: IndexDtype) {
        let set = self.sparse_grad(grad, format);
        self.optimizer.set_grad(self.ids[table], set).unwrap();
    }

    /// A gradient in buffers of its own.
    pub fn sparse_grad(&mut self, grad: &Gradient<f32>, format: IndexDtype) -> SparseGrad {
        let indices = self.hold(&encode(&grad.indices, format));
        let values = self.hold(&grad.values);
        SparseGrad::new(indices, values, grad.indices.len() as u32).index_dtype(format)
    }

    /// A buffer with poison around it that lives as long as the pair.
    pub fn hold<T: bytemuck::Pod>(&mut self, contents: &[T]) -> Region {
        let poisoned = Poisoned::new(self.gpu, contents);
        let region = poisoned.region.clone();
        self.held.push(poisoned);
        region
    }

    /// A step of one table by `grad`, which its twin knows as `same`.
    pub fn step_as(&mut self, table: usize, grad: SparseGrad, same: &Gradient<f32>) {
        self.optimizer.zero_grad(true);
        self.optimizer.set_grad(self.ids[table], grad).unwrap();
        reference::step(&mut self.twins[table], same, &self.options[table]);
        self.submit_step();
    }

    pub fn status(&self, table: usize) -> Status {
        pollster::block_on(self.optimizer.status(self.ids[table])).unwrap()
    }

    pub fn submit_step(&mut self) {
        let optimizer = &mut self.optimizer;
        self.gpu.submit(|encoder| optimizer.step(encoder)).unwrap();
    }

    /// What the optimizer was given to read is as it was, and so is the poison around it.
    pub fn assert_inputs_whole(&self, what: &str) {
        for held in &self.held {
            let inside: Vec<u8> = held.read(self.gpu);
            assert_eq!(hash(&inside), held.hash, "{what}: an input was written to");
        }
    }

    /// One step on both sides; tables without a gradient are skipped.
    pub fn step(&mut self, grads: &[Option<Gradient<f32>>]) {
        self.optimizer.zero_grad(true);
        for (table, grad) in grads.iter().enumerate() {
            if let Some(grad) = grad {
                self.set_grad(table, grad);
                reference::step(&mut self.twins[table], grad, &self.options[table]);
            }
        }
        self.submit_step();
    }

    /// The state, saved and loaded into a new optimizer of another tuning over the same parameters.
    pub fn restart(&mut self, tuning: Tuning) {
        let saved = pollster::block_on(self.optimizer.state_dict()).unwrap();
        let (device, queue) = (&self.gpu.device, &self.gpu.queue);
        let defaults = AdamOptions::default();
        self.optimizer = SparseAdam::with_tuning(device, queue, defaults, tuning).unwrap();
        self.ids.clear();
        for (number, (param, twin)) in self.params.iter().zip(&self.twins).enumerate() {
            let shape = [twin.rows() as u32, twin.dim as u32];
            let param = Param::new(format!("p{number}"), param.region.clone(), shape);
            let group = self.optimizer.add_param_group(ParamGroup::new([param])).unwrap();
            self.ids.extend(self.optimizer.group_params(group).unwrap());
        }
        self.optimizer.load_state_dict(&saved).unwrap();
    }

    /// A table as the adapter has it.
    pub fn table(&self, table: usize) -> Table<f32> {
        let twin = &self.twins[table];
        let param = self.params[table].read(self.gpu);
        let state = pollster::block_on(self.optimizer.state_of(self.ids[table])).unwrap();
        let fresh = Table::new(param, twin.dim);
        match state {
            None => fresh,
            Some(state) => Table {
                step: state.step,
                exp_avg: state.exp_avg,
                exp_avg_sq: state.exp_avg_sq,
                ..fresh
            },
        }
    }

    /// Adapter and twin agree: bit for bit where the adapter is exact, else closely.
    pub fn assert_equal(&self, what: &str) {
        for (number, twin) in self.twins.iter().enumerate() {
            let found = self.table(number);
            let what = format!("{what}, table {number}, {}", self.gpu.describe());
            assert_eq!(found.step, twin.step, "{what}: step");
            let tensors = [
                ("param", &found.param, &twin.param),
                ("exp_avg", &found.exp_avg, &twin.exp_avg),
                ("exp_avg_sq", &found.exp_avg_sq, &twin.exp_avg_sq),
            ];
            for (tensor, found, expected) in tensors {
                assert_tensor(&format!("{what}, {tensor}"), found, expected, is_exact(self.gpu));
            }
        }
    }
}

pub fn assert_tensor(what: &str, found: &[f32], expected: &[f32], exact: bool) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        let same = a.to_bits() == b.to_bits();
        let near = !exact && (a - b).abs() <= 1e-6 + 2e-6 * b.abs();
        assert!(same || near, "{what}: element {i} is {a:e}, expected {b:e}");
    }
}
