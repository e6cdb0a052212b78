//! Rows that a rank asks for, and how they reach it.

mod fetch;
mod wanted;

pub(crate) use fetch::{Fetch, Gathered, words_of};
pub(crate) use wanted::{Wanted, asked_for, wanted};

use sparse_adam::{ParamId, Region};
use std::ops::Index;

/// Ids that all ranks have told one another, of [`ShardedOptimizer::ask`](crate::ShardedOptimizer::ask): for
/// [`ShardedOptimizer::rows`](crate::ShardedOptimizer::rows), once.
#[derive(Debug)]
#[must_use = "ids that were asked for have rows only after `rows`"]
pub struct Asked {
    /// Which call of `ask` it is of, the same on all ranks.
    pub(crate) number: u64,
    pub(crate) tables: Vec<AskedTable>,
}

#[derive(Debug)]
pub(crate) struct AskedTable {
    pub id: ParamId,
    pub ids: Vec<i64>,
    pub wanted: Wanted,
    /// The rows of this rank that each rank asks for.
    pub by_rank: Vec<Vec<u32>>,
}

/// Rows of tables on this rank's device, for a forward and a backward pass: by table, in the order in which they were asked for.
/// Handed on to [`ShardedOptimizer::give`](crate::ShardedOptimizer::give) with the gradient, or to
/// [`ShardedOptimizer::forget`](crate::ShardedOptimizer::forget) without one.
#[derive(Debug)]
#[must_use = "rows that were looked up want a gradient (`give`), or to be forgotten (`forget`)"]
pub struct Looked {
    /// Which call of `ask` they were named by, the same on all ranks.
    pub(crate) number: u64,
    pub(crate) tables: Vec<Rows>,
    pub(crate) ids: Vec<(ParamId, Vec<i64>)>,
}

/// The rows of one table that a rank has looked up. The buffers have usages `STORAGE`, `COPY_SRC` and `COPY_DST`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Rows {
    /// f32 `[unique + 1, dim]`, row-major, whatever the table's format: each row that the ids name once, and at last a row of zeros.
    pub rows: Region,
    /// u32 `[ids]`, which row of `rows` each id names: that of zeros where it names none of the table. One word
    /// where there are no ids.
    pub map: Region,
    /// How many rows of the table the ids name.
    pub unique: u32,
}

impl Looked {
    /// The tables, in the order in which they were asked for.
    #[must_use]
    pub fn tables(&self) -> &[Rows] {
        &self.tables
    }
}

impl Index<usize> for Looked {
    type Output = Rows;

    fn index(&self, table: usize) -> &Rows {
        &self.tables[table]
    }
}
