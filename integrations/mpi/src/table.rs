//! One table, dealt out: what callers describe, and one rank's shard of it.

use crate::assign::{Assign, Deal};
use crate::device::Gpu;
use crate::entries::Entries;
use crate::{Error, Ranks};
use sparse_adam::{Format, Param, ParamId, ParamState, Region, SparseGrad};
use std::fmt;
use wgpu::{Buffer, BufferUsages};

/// A table whose rows are dealt out to ranks. Every rank describes it alike.
#[must_use = "a table does nothing before it is added to an optimizer"]
pub struct ShardedTable<'a> {
    name: String,
    rows: u64,
    row_shape: Vec<u32>,
    assign: Assign,
    format: Format,
    init: Init<'a>,
}

/// Fills a row of the table, by its number.
type Init<'a> = Box<dyn FnMut(u64, &mut [f32]) + 'a>;

impl fmt::Debug for ShardedTable<'_> {
    /// What ranks compare: everything but the function.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, rows, row_shape, assign, format, init: _ } = self;
        write!(formatter, "{name:?} [{rows}, {row_shape:?}] {assign:?} {format:?}")
    }
}

impl<'a> ShardedTable<'a> {
    /// A table named `name` of `rows` rows of `row_shape` (`&[]` for one number each; with the others its values are
    /// `dim`). `init` is called with each row of the table that this rank has, and fills its `dim` values: from
    /// the row's number alone, so that the start does not depend on the number of ranks.
    pub fn new(
        name: impl Into<String>,
        rows: u64,
        row_shape: &[u32],
        init: impl FnMut(u64, &mut [f32]) + 'a,
    ) -> Self {
        let (assign, format) = Default::default();
        let (name, row_shape, init) = (name.into(), row_shape.to_vec(), Box::new(init));
        Self { name, rows, row_shape, assign, format, init }
    }

    /// How its rows are dealt out (default [`Assign::Cyclic`]).
    pub fn assign(self, assign: Assign) -> Self {
        Self { assign, ..self }
    }

    /// How it is stored (default [`Format::F32`]); rounded to the nearest.
    pub fn format(self, format: Format) -> Self {
        Self { format, ..self }
    }

    /// The shard of `rank`, filled, and the parameter that it is to the rank's own optimizer.
    pub(crate) fn shard(
        mut self,
        gpu: &Gpu,
        (rank, ranks): (u32, Ranks),
    ) -> Result<(Shard, Param), Error> {
        let deal = Deal { assign: self.assign, rows: self.rows, ranks };
        let rows = deal.rows_of(rank);
        // A rank without rows has one that nobody names: parameters have a row at least.
        let held = u32::try_from(rows.max(1)).map_err(|_| Error::TooLarge {
            what: format!("rows of {:?} on one rank", self.name),
            found: rows,
            limit: u32::MAX.into(),
        })?;
        let dim = self.row_shape.iter().map(|&axis| axis as usize).product();
        let mut values = vec![0.0; held as usize * dim];
        for (local, row) in (0..rows).zip(values.chunks_exact_mut(dim)) {
            (self.init)(deal.row(rank, local), row);
        }
        let words = self.format.pack(&values);
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
        let buffer = gpu.buffer(&self.name, 4 * words.len() as u64, usage)?;
        gpu.write(&self.name, &buffer, &words)?;
        let mut shape = vec![held];
        shape.extend(&self.row_shape);
        let param = Param::new(&self.name, &buffer, shape).format(self.format);
        let Self { name, row_shape, format, .. } = self;
        let inbox = Inbox::default();
        let shard = Shard { name, deal, dim, row_shape, format, buffer, inbox, out_of_range: 0 };
        Ok((shard, param))
    }

    /// That there is a row, and a value in it.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.rows > 0 && !self.row_shape.contains(&0) {
            return Ok(());
        }
        let shape = std::iter::once(self.rows.min(u32::MAX.into()) as u32);
        let found = shape.chain(self.row_shape.iter().copied()).collect();
        let what = format!("table {:?}", self.name);
        Err(sparse_adam::Error::InvalidShape { what, expected: "no axis of size 0", found }.into())
    }
}

/// One rank's rows of a table.
#[derive(Debug)]
pub(crate) struct Shard {
    pub name: String,
    pub deal: Deal,
    /// Values of a row.
    pub dim: usize,
    pub row_shape: Vec<u32>,
    pub format: Format,
    /// The rows, one behind the other, in the order of the table.
    pub buffer: Buffer,
    pub inbox: Inbox,
    /// Entries of this rank's gradients that named no row.
    pub out_of_range: u64,
}

/// A table of an optimizer: its shard, and what the rank's own optimizer calls it.
pub(crate) type Held = (ParamId, Shard);

/// A whole table, put together on one rank.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Whole {
    /// `[rows, dim]`, row-major.
    pub values: Vec<f32>,
    /// Its state as one device would have it; None before the first step with a gradient.
    pub state: Option<ParamState>,
}

impl Whole {
    /// Of `values` and a state.
    #[must_use]
    pub fn new(values: Vec<f32>, state: Option<ParamState>) -> Self {
        Self { values, state }
    }
}

/// Buffers that a rank receives a table's entries in, kept from step to step.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    rows: Option<Buffer>,
    values: Option<Buffer>,
    map: Option<Buffer>,
    weights: Option<Buffer>,
}

impl Inbox {
    /// Uploads entries of rows of `dim` values, as a gradient that reads them there.
    pub fn fill(
        &mut self,
        gpu: &Gpu,
        (name, dim): (&str, usize),
        entries: &Entries,
    ) -> Result<SparseGrad, Error> {
        let (found, limit) = (entries.rows.len() as u64, i32::MAX as u64);
        if found > limit {
            let what = format!("entries of {name:?} that one rank owns");
            return Err(Error::TooLarge { what, found, limit });
        }
        if entries.rows.is_empty() {
            return Ok(SparseGrad::empty());
        }
        let rows = upload(gpu, &mut self.rows, &entries.rows)?;
        let values = upload(gpu, &mut self.values, bytemuck::cast_slice(&entries.values))?;
        let mut gradient = SparseGrad::new(rows, values, entries.rows.len() as u32);
        if let Some(map) = &entries.map {
            let map = upload(gpu, &mut self.map, map)?;
            gradient = gradient.value_map(map, (entries.values.len() / dim) as u32);
        }
        if let Some(weights) = &entries.weights {
            let weights = upload(gpu, &mut self.weights, bytemuck::cast_slice(weights))?;
            gradient = gradient.weights(weights);
        }
        Ok(gradient)
    }
}

/// Writes words to a buffer, which is made anew where it is too small.
fn upload(gpu: &Gpu, held: &mut Option<Buffer>, words: &[u32]) -> Result<Region, Error> {
    let (what, usage) = ("received entries", BufferUsages::STORAGE | BufferUsages::COPY_DST);
    let region = gpu.at_least(what, held, 4 * words.len() as u64, usage)?;
    gpu.write(what, region.buffer(), words)?;
    Ok(region)
}
