//! Tables on an adapter and their twins on the CPU, stepped together.

use super::finding::Finding;
use super::random::Random;
use crate::headless::Gpu;
use crate::trace::{Comparison, Tolerance};
use bytemuck::Pod;
use sparse_adam::reference::{self, Gradient, Table};
use sparse_adam::{
    AdamOptions, Error, IndexDtype, Param, ParamGroup, ParamId, Region, SparseAdam, SparseGrad,
    StateDict, Status, Tuning,
};

/// Rows and values a row.
pub(super) type Shape = (usize, usize);

/// Where a law is checked, and with what inputs.
#[derive(Clone, Copy)]
pub(super) struct Setting<'a> {
    pub gpu: &'a Gpu,
    pub tuning: Tuning,
    pub bound: Tolerance,
    pub seed: u64,
}

impl Setting<'_> {
    /// A generator for the `case`-th input of a law.
    pub fn random(&self, case: u64) -> Random {
        Random(self.seed.wrapping_mul(0x1_0000_0001).wrapping_add(case))
    }
}

/// What lies around every region: a NaN whose bits no computation makes.
const GUARD: u32 = 0x7fc0_dead;

/// A region at a non-zero offset of a buffer that is otherwise guard words.
pub(super) struct Guarded {
    pub region: Region,
    bytes: u64,
}

impl Guarded {
    pub fn new<T: Pod>(gpu: &Gpu, contents: &[T]) -> Self {
        let contents: &[u8] = bytemuck::cast_slice(contents);
        let guard = u64::from(gpu.device.limits().min_storage_buffer_offset_alignment).max(256);
        let bytes = contents.len() as u64;
        let mut words = vec![GUARD; (2 * guard + bytes.next_multiple_of(4)) as usize / 4];
        let inside = guard as usize..guard as usize + contents.len();
        bytemuck::cast_slice_mut::<_, u8>(&mut words)[inside].copy_from_slice(contents);
        let buffer = gpu.upload("guarded", &words);
        let region = Region::from(buffer.slice(guard..guard + bytes.max(4)));
        Self { region, bytes }
    }

    /// What is inside, and whether the guard around it is whole.
    pub async fn read<T: Pod>(&self, gpu: &Gpu) -> Result<(Vec<T>, bool), Error> {
        let all: Vec<u32> = gpu.read(self.region.buffer()).await?;
        let start = self.region.offset() as usize / 4;
        let end = start + self.bytes as usize / 4;
        let mut around = all[..start].iter().chain(&all[end..]);
        let whole = around.all(|&word| word == GUARD);
        Ok((bytemuck::pod_collect_to_vec(&all[start..end]), whole))
    }
}

pub(super) struct Pair<'a> {
    pub on: Setting<'a>,
    pub optimizer: SparseAdam,
    pub ids: Vec<ParamId>,
    pub twins: Vec<Table<f32>>,
    params: Vec<Guarded>,
    options: Vec<AdamOptions>,
    /// Gradient buffers of earlier steps stay, so that dirty memory is around.
    held: Vec<Guarded>,
}

impl<'a> Pair<'a> {
    /// Tables of `shapes`, each in a group of its own with its own options.
    pub fn new(
        on: Setting<'a>,
        tables: &[(Shape, AdamOptions)],
        random: &mut Random,
    ) -> Result<Self, Error> {
        let (device, queue) = (&on.gpu.device, &on.gpu.queue);
        let defaults = AdamOptions::default();
        let optimizer = SparseAdam::with_tuning(device, queue, defaults, on.tuning)?;
        let mut pair = Self {
            on,
            optimizer,
            ids: Vec::new(),
            twins: Vec::new(),
            params: Vec::new(),
            options: Vec::new(),
            held: Vec::new(),
        };
        for &(shape, options) in tables {
            pair.add(shape, options, random)?;
        }
        Ok(pair)
    }

    /// One table with default options.
    pub fn single(on: Setting<'a>, shape: Shape, random: &mut Random) -> Result<Self, Error> {
        Self::new(on, &[(shape, AdamOptions::default())], random)
    }

    fn add(&mut self, shape: Shape, options: AdamOptions, rng: &mut Random) -> Result<(), Error> {
        let (rows, dim) = shape;
        let values = rng.floats(rows * dim);
        let guarded = Guarded::new(self.on.gpu, &values);
        let name = format!("p{}", self.ids.len());
        let param = Param::new(name, guarded.region.clone(), [rows as u32, dim as u32]);
        let AdamOptions { lr, betas, eps, maximize } = options;
        let group = ParamGroup::new([param]).lr(lr).betas(betas).eps(eps).maximize(maximize);
        let group = self.optimizer.add_param_group(group)?;
        self.ids.extend(self.optimizer.group_params(group)?);
        self.params.push(guarded);
        self.twins.push(Table::new(values, dim));
        self.options.push(options);
        Ok(())
    }

    /// A new optimizer over the same parameters, with the state and the options of `dict`.
    pub fn restart(&mut self, dict: &StateDict) -> Result<(), Error> {
        let (device, queue) = (&self.on.gpu.device, &self.on.gpu.queue);
        let defaults = AdamOptions::default();
        let mut optimizer = SparseAdam::with_tuning(device, queue, defaults, self.on.tuning)?;
        self.ids.clear();
        for (number, (param, twin)) in self.params.iter().zip(&self.twins).enumerate() {
            let shape = [twin.rows() as u32, twin.dim as u32];
            let param = Param::new(format!("p{number}"), param.region.clone(), shape);
            let group = optimizer.add_param_group(ParamGroup::new([param]))?;
            self.ids.extend(optimizer.group_params(group)?);
        }
        optimizer.load_state_dict(dict)?;
        self.optimizer = optimizer;
        Ok(())
    }

    /// A guarded buffer that lives as long as the pair.
    pub fn hold<T: Pod>(&mut self, contents: &[T]) -> Region {
        let guarded = Guarded::new(self.on.gpu, contents);
        let region = guarded.region.clone();
        self.held.push(guarded);
        region
    }

    /// A gradient in buffers of its own.
    pub fn gradient(&mut self, grad: &Gradient<f32>, format: IndexDtype) -> SparseGrad {
        let indices = self.hold(&encode(&grad.indices, format));
        let values = self.hold(&grad.values);
        SparseGrad::new(indices, values, grad.indices.len() as u32).index_dtype(format)
    }

    /// Sets a table's gradient, and steps its twin. The index formats take turns.
    pub fn set(&mut self, table: usize, grad: &Gradient<f32>) -> Result<Status, Error> {
        let formats = [IndexDtype::U32, IndexDtype::I32, IndexDtype::I64];
        let set = self.gradient(grad, formats[grad.indices.len() % 3]);
        self.set_as(table, set, grad)
    }

    /// Sets a table's gradient, which its twin knows as `same`. Returns what the twin refuses.
    pub fn set_as(
        &mut self,
        table: usize,
        grad: SparseGrad,
        same: &Gradient<f32>,
    ) -> Result<Status, Error> {
        self.optimizer.set_grad(self.ids[table], grad)?;
        Ok(self.step_twin(table, same))
    }

    /// Steps a table's twin alone.
    pub fn step_twin(&mut self, table: usize, grad: &Gradient<f32>) -> Status {
        reference::step(&mut self.twins[table], grad, &self.options[table])
    }

    pub fn submit(&mut self) -> Result<(), Error> {
        let optimizer = &mut self.optimizer;
        self.on.gpu.submit(|encoder| optimizer.step(encoder))?;
        self.optimizer.zero_grad(true);
        Ok(())
    }

    /// One step of one table.
    pub fn step(&mut self, table: usize, grad: &Gradient<f32>) -> Result<Status, Error> {
        let refused = self.set(table, grad)?;
        self.submit()?;
        Ok(refused)
    }

    /// One step of one table by `grad`, which its twin knows as `same`.
    pub fn step_as(
        &mut self,
        table: usize,
        grad: SparseGrad,
        same: &Gradient<f32>,
    ) -> Result<(), Error> {
        self.set_as(table, grad, same)?;
        self.submit()
    }

    pub async fn status(&self, table: usize) -> Result<Status, Error> {
        self.optimizer.status(self.ids[table]).await
    }

    /// A table as the adapter has it, and whether what lies around it is whole.
    pub async fn table(&self, number: usize) -> Result<(Table<f32>, bool), Error> {
        let (param, whole) = self.params[number].read(self.on.gpu).await?;
        let mut table = Table::new(param, self.twins[number].dim);
        if let Some(state) = self.optimizer.state_of(self.ids[number]).await? {
            table.step = state.step;
            table.exp_avg = state.exp_avg;
            table.exp_avg_sq = state.exp_avg_sq;
        }
        Ok((table, whole))
    }

    /// Compares every table with its twin.
    pub async fn compare(&self, finding: &mut Finding) -> Result<(), Error> {
        for (number, twin) in self.twins.iter().enumerate() {
            let (found, whole) = self.table(number).await?;
            finding.holds("bytes around a parameter were written", whole);
            finding.equal("steps counted", found.step, twin.step);
            let of = |tensor| format!("{} x {}, p{number}/{tensor}", twin.rows(), twin.dim);
            finding.compare(vec![
                Comparison::new(of("param"), &found.param, &twin.param, self.on.bound),
                Comparison::new(of("exp_avg"), &found.exp_avg, &twin.exp_avg, self.on.bound),
                Comparison::new(
                    of("exp_avg_sq"),
                    &found.exp_avg_sq,
                    &twin.exp_avg_sq,
                    self.on.bound,
                ),
            ]);
        }
        Ok(())
    }
}

/// An index list as it lies in memory.
pub(super) fn encode(indices: &[i64], format: IndexDtype) -> Vec<u8> {
    let bytes = |&index: &i64| match format {
        IndexDtype::I64 => index.to_le_bytes().to_vec(),
        IndexDtype::I32 => (index as i32).to_le_bytes().to_vec(),
        IndexDtype::U32 => (index as u32).to_le_bytes().to_vec(),
    };
    indices.iter().flat_map(bytes).collect()
}
