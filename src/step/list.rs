//! Makes of a plan the dispatches of a step, in order, with symbolic bindings. Pure: no GPU, no buffer,
//! no encoder.

mod flush;
mod ingest;
mod items;
mod norm;
mod remap;
mod sort;
mod tally;
mod update;

pub(crate) use flush::{Behind, flush};
pub(crate) use items::{Item, Items, MOST_OWN, merge};
pub(crate) use remap::{Moving, Resetting, remap, reset};

use self::update::MOST_LEVELS;

use super::budget::TURNS;
use super::demand::{Demand, NormDemand, Pool, Segment, TableDemand};
use super::kernel::Kernel;
use super::layout::Config;
use super::plan::{Plan, TablePlan};
use super::shape::{DeviceShape, Launch, Window};
use super::stages::{MOST_BOUND, VALUE_WINDOWS};
use crate::Tuning;
use crate::timestamps::Timed;

/// A dispatch, and what it binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dispatch {
    pub part: Timed,
    pub kernel: Kernel,
    /// Uniform binding 0.
    pub config: Config,
    /// Uniform binding 1, where there is one.
    pub second: Option<Second>,
    /// The storage bindings, in their order.
    pub bound: [Option<Bind>; MOST_BOUND],
    /// Where that lies of it which a dispatch of several items may have in one binding.
    pub pools: [Pool; MOST_OWN],
    /// What it takes in place of `config` and `second`, where it takes several items.
    pub items: Option<Items>,
    pub launch: Launch,
}

/// A second uniform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Second {
    /// A number of entries that the host knows.
    Entries(u32),
    /// A number of entries that the GPU knows: of a table's segment.
    Count { table: u32, segment: u32 },
    /// The words of the rule for a table's step.
    Rule { table: u32 },
    /// Those of the rule for its rows.
    RowRule { table: u32 },
    /// Those, and what random bits are drawn from.
    Drawn { table: u32 },
}

/// What is bound: bytes of a table or of the scratch, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bind {
    Param {
        table: u32,
        window: u32,
    },
    State {
        table: u32,
        window: u32,
    },
    /// What rows have of their own.
    RowState {
        table: u32,
        window: u32,
    },
    Values {
        table: u32,
        first_row: u32,
        rows: u32,
    },
    Status {
        table: u32,
    },
    /// What the stages count of a list that several tables have.
    Tally {
        table: u32,
    },
    Indices {
        table: u32,
        segment: u32,
    },
    Map {
        table: u32,
        segment: u32,
    },
    Weights {
        table: u32,
        segment: u32,
    },
    /// What a table is about to become.
    NewParam {
        table: u32,
        window: u32,
    },
    NewState {
        table: u32,
        window: u32,
    },
    NewRowState {
        table: u32,
        window: u32,
    },
    /// Row numbers that the caller lists for several tables.
    Rows {
        first: u32,
        entries: u32,
    },
    Pairs,
    Sorted,
    Histogram,
    /// What the GPU knows of the step.
    Scalars,
    /// The same, with gradients clipped by their norm; and all that this comes of.
    Clipped,
    Norm,
    /// Stands in for what a gradient does not have.
    Placeholder(u32),
    /// What the items of a dispatch have at this place of their own, from the first of them in a buffer to the last.
    Stretch(u32),
}

impl Bind {
    /// The table whose bytes they are; None for the scratch, and for lists of rows.
    pub fn table(self) -> Option<u32> {
        match self {
            Self::Param { table, .. }
            | Self::State { table, .. }
            | Self::RowState { table, .. }
            | Self::Values { table, .. }
            | Self::Status { table }
            | Self::Tally { table }
            | Self::Indices { table, .. }
            | Self::Map { table, .. }
            | Self::Weights { table, .. }
            | Self::NewParam { table, .. }
            | Self::NewState { table, .. }
            | Self::NewRowState { table, .. } => Some(table),
            Self::Rows { .. }
            | Self::Pairs
            | Self::Sorted
            | Self::Histogram
            | Self::Scalars
            | Self::Clipped
            | Self::Norm
            | Self::Placeholder(_)
            | Self::Stretch(_) => None,
        }
    }
}

/// Lists the dispatches of a step into `out`.
pub(crate) fn list(
    demand: &Demand,
    plan: &Plan,
    (device, tuning): (DeviceShape, &Tuning),
    out: &mut Vec<Dispatch>,
) {
    out.clear();
    let mut list = List { plan, norm: demand.norm, device, tuning, part: Timed::Ingest, out };
    let live = || {
        let each = demand.each().zip(&plan.tables);
        each.map(|((asked, segments, windows), at)| Live { asked, segments, windows, at })
    };
    live().for_each(|live| list.entries(live));
    list.part = Timed::Sort;
    list.sort();
    list.heads();
    live().for_each(|live| list.repeats(live));
    list.tallies(&demand.tables);
    list.part = Timed::Partial;
    // By levels, as tables' sums of entries can be one dispatch.
    for level in 0..MOST_LEVELS {
        live().for_each(|live| list.partial(live, level));
    }
    if let Some(norm) = demand.norm {
        live().for_each(|live| list.squares(live, norm.norm_type));
        live().for_each(|live| list.norm_sum(live, norm.norm_type));
        list.norm_factor(norm);
    }
    list.part = Timed::Update;
    live().for_each(|live| list.update(live));
}

/// A list in the making.
struct List<'a> {
    plan: &'a Plan,
    norm: Option<NormDemand>,
    device: DeviceShape,
    tuning: &'a Tuning,
    part: Timed,
    out: &'a mut Vec<Dispatch>,
}

/// A table as the stages see it.
#[derive(Clone, Copy)]
struct Live<'a> {
    asked: &'a TableDemand,
    segments: &'a [Segment],
    windows: &'a [Window],
    at: &'a TablePlan,
}

impl List<'_> {
    fn dispatch<const N: usize>(
        &mut self,
        kernel: Kernel,
        config: Config,
        bound: [Bind; N],
        launch: Launch,
    ) {
        self.dispatch_with(kernel, (config, None), bound.into_iter(), launch);
    }

    fn dispatch_with(
        &mut self,
        kernel: Kernel,
        (config, second): (Config, Option<Second>),
        bound: impl Iterator<Item = Bind>,
        launch: Launch,
    ) {
        self.dispatch_in([None; MOST_OWN], kernel, (config, second), bound, launch);
    }

    /// As [`List::dispatch_with`], where what is bound may have neighbours.
    fn dispatch_in(
        &mut self,
        pools: [Pool; MOST_OWN],
        kernel: Kernel,
        (config, second): (Config, Option<Second>),
        mut bound: impl Iterator<Item = Bind>,
        launch: Launch,
    ) {
        debug_assert!(launch.turns <= TURNS, "{kernel:?} takes {} turns", launch.turns);
        let bound = std::array::from_fn(|_| bound.next());
        let part = self.part;
        self.out.push(Dispatch { part, kernel, config, second, bound, pools, items: None, launch });
    }
}

impl Live<'_> {
    /// The windows of the table's values.
    fn values(self) -> impl Iterator<Item = Bind> {
        let TableDemand { table, value_rows, .. } = *self.asked;
        let per_window = self.at.rows_per_value_window;
        let windows = (0..VALUE_WINDOWS as u32).map(move |number| {
            let first_row = number.saturating_mul(per_window);
            let rows = per_window.min(value_rows.saturating_sub(first_row));
            match rows {
                0 => Bind::Placeholder(number),
                rows => Bind::Values { table, first_row, rows },
            }
        });
        windows.take(self.at.access.values.bindings())
    }
}

#[cfg(test)]
#[path = "list_tests.rs"]
pub(in crate::step) mod tests;
