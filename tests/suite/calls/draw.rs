//! Arguments drawn at random: good ones, bad ones, and some at the edge.

use sparse_adam::{
    AdamOptions, Duplicates, IndexDtype, IndexList, NonFinite, Param, ParamGroup, Region,
    SparseGrad,
};
use sparse_adam_testkit::Rng;
use std::ops::Range;
use wgpu::{Buffer, BufferDescriptor, BufferUsages, Device};

/// One of `choices`.
pub fn pick<T: Copy>(rng: &mut Rng, choices: &[T]) -> T {
    choices[rng.below(choices.len())]
}

pub fn one_in(rng: &mut Rng, chance: usize) -> bool {
    rng.below(chance) == 0
}

/// Where parameters mostly lie, and where gradients mostly do.
pub const PARAMS: Range<usize> = 0..2;
pub const GRADS: Range<usize> = 2..5;

/// Bytes and usages of the buffers of a world.
fn buffers() -> [(u64, BufferUsages); 10] {
    let storage = BufferUsages::STORAGE;
    let all = storage | BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
    [
        (2 << 20, all),
        (1 << 18, all),
        (2 << 20, all),
        (1 << 18, all),
        (1 << 16, all),
        (1 << 16, storage),
        (1 << 16, BufferUsages::COPY_SRC | BufferUsages::COPY_DST),
        (256, all),
        (4, all),
        (0, all),
    ]
}

/// The buffers that every region is a part of.
pub struct Pools {
    buffers: Vec<Buffer>,
    pub alignment: u64,
    pub max_binding: u64,
}

impl Pools {
    pub fn new(device: &Device) -> Self {
        let limits = device.limits();
        let create = |(size, usage)| {
            device.create_buffer(&BufferDescriptor {
                label: Some("pool"),
                size,
                usage,
                mapped_at_creation: false,
            })
        };
        Self {
            buffers: buffers().map(create).into(),
            alignment: limits.min_storage_buffer_offset_alignment.into(),
            max_binding: limits.max_storage_buffer_binding_size,
        }
    }

    pub fn has(&self, spot: Spot, usage: BufferUsages) -> bool {
        self.buffers[spot.pool].usage().contains(usage)
    }

    pub fn region(&self, spot: Spot) -> Region {
        let buffer = &self.buffers[spot.pool];
        match (spot.offset, spot.size == buffer.size()) {
            (0, true) => Region::from(buffer),
            (offset, _) => Region::from(buffer.slice(offset..offset + spot.size)),
        }
    }

    /// A place for `bytes`, mostly in `home` and mostly a good one.
    pub fn spot(&self, rng: &mut Rng, home: &Range<usize>, bytes: u64) -> Spot {
        let pool = match one_in(rng, 30) {
            true => rng.below(self.buffers.len()),
            false => home.start + rng.below(home.len()),
        };
        let total = self.buffers[pool].size();
        let room = total.saturating_sub(bytes) / self.alignment;
        let mut offset = rng.next() % (room + 1) * self.alignment;
        let mut size = bytes.min(total - offset);
        match rng.below(60) {
            0 if offset + size + 4 <= total => offset += 4,
            1 => size = size / 8 * 4,
            2 => size = 0,
            3 => size = bytes.saturating_mul(2).min(total - offset),
            4..8 => size = total - offset,
            _ => {}
        }
        Spot { pool, offset, size }
    }
}

/// A range of a buffer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spot {
    pub pool: usize,
    pub offset: u64,
    pub size: u64,
}

impl Spot {
    /// The part that `bytes` take.
    pub fn used(self, bytes: u64) -> Self {
        Self { size: bytes, ..self }
    }

    pub fn overlaps(self, other: Self) -> bool {
        self.pool == other.pool
            && self.offset < other.offset + other.size
            && other.offset < self.offset + self.size
    }
}

pub fn name(rng: &mut Rng) -> String {
    format!("p{}", rng.below(12))
}

/// Options, one in six of them bad.
pub fn options(rng: &mut Rng) -> AdamOptions {
    let mut options = AdamOptions::default()
        .lr(pick(rng, &[0.1, 1e-3, 0.0, -0.0, 1e-60, -1e-13, 3e38]))
        .betas(pick(rng, &[(0.9, 0.999), (0.0, 0.0), (0.5, 1.0 - f64::EPSILON)]))
        .eps(pick(rng, &[1e-8, 1.0, 2e-38]))
        .maximize(one_in(rng, 2));
    let wrong = [f64::NAN, f64::INFINITY, -1.0, 1e300];
    match rng.below(18) {
        0 => options.lr = pick(rng, &wrong),
        1 => options.eps = pick(rng, &[f64::NAN, f64::INFINITY, -1.0, 0.0, 1e-46, 1e-39]),
        2 => options.betas.0 = pick(rng, &[f64::NAN, 1.0, -0.1, 2.0]),
        3 => options.betas.1 = pick(rng, &[f64::NAN, 1.0, -0.1, f64::INFINITY]),
        _ => {}
    }
    options
}

pub fn group(params: Vec<Param>, options: AdamOptions) -> ParamGroup {
    ParamGroup::new(params).options(options)
}

/// A parameter: its regions with their rows, where they are told.
#[derive(Clone, Debug)]
pub struct DrawnParam {
    pub name: String,
    pub shape: Vec<u32>,
    pub sparse_dim: usize,
    pub parts: Vec<(Spot, Option<u32>)>,
}

impl DrawnParam {
    pub fn new(rng: &mut Rng, pools: &Pools) -> Self {
        let rows = pick(rng, &[1, 1, 2, 10, 64, 100, 777, 5000]);
        let dim = pick(rng, &[1, 2, 3, 4, 7, 8, 16, 64, 100, 255, 768, 1024, 4096, 65_537]);
        let mut shape = vec![rows, dim];
        let mut sparse_dim = 1;
        match rng.below(30) {
            0 => shape = vec![rows],
            1..4 => (shape, sparse_dim) = (vec![rows, 3, dim], 2),
            4 => (shape, sparse_dim) = (vec![2, rows, 3], 3),
            5 => shape.clear(),
            6 => shape[rng.below(2)] = 0,
            7 => shape[rng.below(2)] = pick(rng, &[u32::MAX, 1 << 31, 131_064, 131_065, 524_256]),
            8 => sparse_dim = pick(rng, &[0, 3, 4, usize::MAX]),
            _ => {}
        }
        let bytes = shape.iter().fold(4, |bytes: u64, &axis| bytes.saturating_mul(axis.into()));
        let parts = match one_in(rng, 6) {
            false => vec![(pools.spot(rng, &PARAMS, bytes), None)],
            true => Self::parts(rng, pools, &shape),
        };
        Self { name: name(rng), shape, sparse_dim, parts }
    }

    /// Two or three runs of rows of the first axis, which mostly are all of them.
    fn parts(rng: &mut Rng, pools: &Pools, shape: &[u32]) -> Vec<(Spot, Option<u32>)> {
        let rows = shape.first().copied().unwrap_or(1);
        let row = shape.iter().skip(1).fold(4, |row: u64, &axis| row.saturating_mul(axis.into()));
        let first = rows / 2;
        let second = if one_in(rng, 8) { rows } else { rows - first };
        let mut part = |rows: u32| {
            let bytes = row.saturating_mul(rows.into());
            (pools.spot(rng, &PARAMS, bytes), Some(rows))
        };
        vec![part(first), part(second)]
    }

    pub fn build(&self, pools: &Pools) -> Param {
        let (name, shape) = (&*self.name, &self.shape);
        let param = match &*self.parts {
            [(spot, None)] => Param::new(name, pools.region(*spot), shape),
            parts => {
                let part = |&(spot, rows): &(Spot, Option<u32>)| {
                    (pools.region(spot), rows.unwrap_or_default())
                };
                Param::in_parts(name, parts.iter().map(part), shape)
            }
        };
        param.sparse_dim(self.sparse_dim)
    }
}

/// Where a drawn gradient has its values.
#[derive(Clone, Copy, Debug)]
pub enum Values {
    Entry,
    Map(Spot, u32),
    Row,
}

#[derive(Clone, Debug)]
pub struct DrawnGrad {
    pub nnz: u32,
    pub format: IndexDtype,
    pub indices: Spot,
    pub values: Spot,
    pub source: Values,
    pub weights: Option<Spot>,
    pub count: Option<Spot>,
    pub duplicates: Duplicates,
    pub non_finite: NonFinite,
    pub padding: Option<u32>,
}

impl DrawnGrad {
    /// One for a parameter of `rows`, `dim` and `sparse_dim`, mostly.
    pub fn new(rng: &mut Rng, pools: &Pools, [rows, dim, sparse_dim]: [u32; 3]) -> Self {
        let few = 1 + rng.below(300) as u32;
        let nnz = match rng.below(60) {
            0 => pick(rng, &[u32::MAX, 1 << 31, 1 << 30, 20_000]),
            1 => 5000,
            2..6 => 0,
            _ if dim > 1000 => 1 + rng.below(3) as u32,
            _ => pick(rng, &[1, 2, 63, 64, 65, few, few, few]),
        };
        let format = pick(rng, &[IndexDtype::U32, IndexDtype::I32, IndexDtype::I64]);
        let entries = u64::from(nnz);
        let width = if format == IndexDtype::I64 { 8 } else { 4 };
        let mut spot = |bytes: u64| pools.spot(rng, &GRADS, bytes);
        let indices = spot(entries * width * u64::from(sparse_dim));
        let (map, weights, count) = (spot(4 * entries), spot(4 * entries), spot(4));
        let (source, value_rows) = match rng.below(10) {
            0 => (Values::Row, rows),
            1..4 => {
                let rows = pick(rng, &[1, 1, 5, 40, 40, 0]);
                (Values::Map(map, rows), rows)
            }
            _ => (Values::Entry, nnz),
        };
        let bytes = u64::from(value_rows) * 4 * u64::from(dim);
        Self {
            nnz,
            format,
            indices,
            values: pools.spot(rng, &GRADS, bytes),
            source,
            weights: one_in(rng, 6).then_some(weights),
            count: one_in(rng, 6).then_some(count),
            duplicates: match rng.below(12) {
                0 => Duplicates::None,
                1 => Duplicates::NoneChecked,
                _ => Duplicates::Summed,
            },
            non_finite: pick(rng, &[NonFinite::Applied, NonFinite::Counted, NonFinite::Skipped]),
            padding: one_in(rng, 6).then(|| pick(rng, &[0, rows - 1, rows, u32::MAX])),
        }
    }

    pub fn build(&self, pools: &Pools) -> SparseGrad {
        let (indices, values) = (pools.region(self.indices), pools.region(self.values));
        let mut grad = match self.source {
            Values::Row => SparseGrad::of_rows(indices, values, self.nnz),
            Values::Entry => SparseGrad::new(indices, values, self.nnz),
            Values::Map(map, rows) => {
                SparseGrad::new(indices, values, self.nnz).value_map(pools.region(map), rows)
            }
        };
        if let Some(weights) = self.weights {
            grad = grad.weights(pools.region(weights));
        }
        if let Some(count) = self.count {
            grad = grad.count(pools.region(count));
        }
        if let Some(row) = self.padding {
            grad = grad.padding_idx(row);
        }
        grad.index_dtype(self.format).duplicates(self.duplicates).non_finite(self.non_finite)
    }
    /// The same list with other values, for a parameter of `rows` and `dim`.
    pub fn with_values(&self, rng: &mut Rng, pools: &Pools, [rows, dim, _]: [u32; 3]) -> Self {
        let value_rows = match self.source {
            Values::Row => rows,
            Values::Map(_, rows) => rows,
            Values::Entry => self.nnz,
        };
        let bytes = u64::from(value_rows) * 4 * u64::from(dim);
        Self { values: pools.spot(rng, &GRADS, bytes), ..self.clone() }
    }

    pub fn build_list(&self, pools: &Pools) -> IndexList {
        let indices = pools.region(self.indices);
        let mut list = match self.source {
            Values::Row => IndexList::of_rows(indices, self.nnz),
            Values::Entry => IndexList::new(indices, self.nnz),
            Values::Map(map, rows) => {
                IndexList::new(indices, self.nnz).value_map(pools.region(map), rows)
            }
        };
        if let Some(weights) = self.weights {
            list = list.weights(pools.region(weights));
        }
        if let Some(count) = self.count {
            list = list.count(pools.region(count));
        }
        if let Some(row) = self.padding {
            list = list.padding_idx(row);
        }
        list.index_dtype(self.format).duplicates(self.duplicates).non_finite(self.non_finite)
    }
}
