//! What a step is asked for each table, in the planner's words: made once a step, in one place.

use super::shape::Window;
use crate::format::Formats;
use crate::param::Geometry;
use crate::rule::Rule;
use crate::{IndexDtype, NormType};

/// What a step is asked for: the tables that have entries, in order, with their segments and windows
/// one table behind the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Demand {
    pub tables: Vec<TableDemand>,
    pub segments: Vec<Segment>,
    pub windows: Vec<Window>,
    /// The norm that gradients are clipped by, where they are.
    pub norm: Option<NormDemand>,
}

/// A norm of all gradients of a step, and the bits of what it is brought down to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NormDemand {
    pub norm_type: NormType,
    pub most: u32,
}

/// What a step is asked to do for one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TableDemand {
    /// Its number in the optimizer.
    pub table: u32,
    pub geometry: Geometry,
    /// Entries of its gradients; at least 1.
    pub nnz: u32,
    /// Value rows of its gradients.
    pub value_rows: u32,
    /// How it is stored, and its gradients' values.
    pub formats: Formats,
    /// Whether the caller promises that no row is named twice, and whether that is to be checked.
    pub promised: bool,
    pub checked: bool,
    /// Whether only the first entry of a row counts.
    pub first_wins: bool,
    pub rule: Rule,
    /// The bits of what its entries are clipped to, where they are.
    pub limit: Option<u32>,
    /// The bits of what its group's options multiply a row's sum by.
    pub grad_scale: u32,
    /// Whether its gradient is to be measured, block by block, and whether for a norm of all.
    pub squares: bool,
    pub normed: bool,
    /// Whether its entries have weights.
    pub weighted: bool,
    /// Whose pairs are its too, where an earlier table of the demand has the same index list: that table's
    /// position among the demand's.
    pub shares: Option<u32>,
    /// Whether a later table has its pairs.
    pub tallied: bool,
    /// Its one index list, where nothing looks at its pairs before the sort.
    pub one_list: Option<OneList>,
    /// How many of the demand's segments and windows are its.
    pub segments: usize,
    pub windows: usize,
    pub pools: Pools,
}

/// A buffer in which tables may lie side by side, such that one binding holds all of them: its number in the step. None for
/// what has no such neighbours.
pub(crate) type Pool = Option<u32>;

/// Where a table lies that has one window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pools {
    pub param: Pool,
    pub state: Pool,
    pub values: Pool,
    pub status: Pool,
}

/// An index list, as one of those of a dispatch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OneList {
    /// Whether a dispatch can take it with others.
    pub joins: bool,
    pub pool: Pool,
}

/// One gradient's place in its table's entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub nnz: u32,
    /// Entries and value rows of the segments before it.
    pub entry_base: u32,
    pub value_base: u32,
    pub value_rows: u32,
    pub index_dtype: IndexDtype,
    pub origin: ValueOrigin,
    /// Whether its index list is the common one: 32 bits, one axis, a value row per entry.
    pub plain: bool,
    pub has_weights: bool,
    /// Whether the GPU says how many entries there are.
    pub counted: bool,
    pub inspect: Option<Inspect>,
    pub padding_row: Option<u32>,
    /// Where its indices lie.
    pub indices: Pool,
}

/// Which value row an entry has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ValueOrigin {
    Entry = 0,
    Map = 1,
    Row = 2,
}

/// What is done about values that are not finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inspect {
    Count,
    Skip,
}

impl TableDemand {
    /// Bits of its own keys.
    pub fn key_bits(&self) -> u32 {
        key_bits(u64::from(self.geometry.rows) + 1)
    }
}

/// Bits that `keys` different keys need; at least 1.
pub(crate) fn key_bits(keys: u64) -> u32 {
    (u64::BITS - keys.saturating_sub(1).leading_zeros()).max(1)
}

impl Demand {
    pub fn clear(&mut self) {
        self.tables.clear();
        self.segments.clear();
        self.windows.clear();
        self.norm = None;
    }

    /// Has the gradients that it is asked for clipped by a norm.
    pub fn clip_by(&mut self, norm: Option<NormDemand>) {
        self.norm = norm;
        for table in &mut self.tables {
            table.normed = norm.is_some();
            table.squares = table.normed || table.rule.needs_squares();
        }
    }

    /// Each table with its segments and windows.
    pub fn each(&self) -> impl Iterator<Item = (&TableDemand, &[Segment], &[Window])> {
        let (mut segments, mut windows) = (&*self.segments, &*self.windows);
        self.tables.iter().map(move |table| {
            let (own_segments, rest) = segments.split_at(table.segments);
            segments = rest;
            let (own_windows, rest) = windows.split_at(table.windows);
            windows = rest;
            (table, own_segments, own_windows)
        })
    }
}
