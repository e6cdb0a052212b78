//! The stages that make pairs of one gradient's entries: ingest, weigh, inspect.

use super::{Bind, List, Live, Second};
use crate::step::demand::{Inspect, Segment, ValueOrigin};
use crate::step::kernel::Kernel;
use crate::step::layout::{Config, EntriesConfig, InspectConfig};
use crate::step::plan::{Plan, Small};
use crate::step::shape::{Grid, Launch};
use crate::step::stages::Stage;
use crate::step::turns;

impl List<'_> {
    /// The entries of all gradients of a table. Of pairs that it shares it looks at its own values alone.
    pub(super) fn entries(&mut self, live: Live<'_>) {
        for (number, segment) in live.segments.iter().enumerate() {
            let config = entries_config(live, segment, self.plan);
            let at = Bind::at(live, number as u32, segment);
            if live.asked.shares.is_none() {
                self.ingest(live, segment, config, at);
                self.weigh(live, segment, config, at);
            }
            self.inspect(live, segment, config, at);
        }
    }

    /// Where the pairs of a table are before the sort: a promised table's are written where they stay.
    fn unsorted(&self, live: Live<'_>) -> Bind {
        let passes = if live.at.sorted { self.plan.sort.passes.len() } else { 0 };
        Bind::pairs(passes)
    }

    fn ingest(&mut self, live: Live<'_>, segment: &Segment, config: EntriesConfig, at: At) {
        let per_workgroup = self.tuning.workgroup * self.tuning.ingest_strip;
        let small = self.plan.small.filter(|_| live.at.sorted);
        let (nnz, key_bits) = (segment.nnz, config.key_bits);
        let (workgroups, turns) = match small {
            None => (nnz.div_ceil(per_workgroup), turns::ingest(self.tuning.ingest_strip)),
            Some(Small::Serial) => (1, turns::ingest_small_serial(nnz, key_bits, config.block)),
            Some(Small::Bitonic) => (1, turns::ingest_small_parallel(nnz)),
            Some(Small::Radix) => (1, turns::ingest_radix_parallel(key_bits)),
        };
        let launch = Launch { grid: Grid::over(workgroups, self.device), turns };
        let kernel = Kernel::ingest(Stage::ingest(small), segment.plain);
        let At { table, segment: number, .. } = at;
        let second = match segment.counted {
            true => Second::Count { table, segment: number },
            false => Second::Entries(segment.nnz),
        };
        let indices = Bind::Indices { table, segment: number };
        let bound = [indices, at.map, self.unsorted(live), live.counts()];
        let uniforms = (Config::Entries(config), Some(second));
        // A tally is a buffer of its own.
        let status = live.asked.pools.status.filter(|_| !live.asked.tallied);
        let pools = [segment.indices, status, None];
        self.dispatch_in(pools, kernel, uniforms, bound.into_iter(), launch);
    }

    fn weigh(&mut self, live: Live<'_>, segment: &Segment, config: EntriesConfig, at: At) {
        if !live.asked.weighted {
            return;
        }
        let weights = match segment.has_weights {
            true => Bind::Weights { table: at.table, segment: at.segment },
            false => Bind::Placeholder(1),
        };
        let launch = Launch { grid: self.over(segment), turns: 0 };
        let bound = [at.map, weights, Bind::Sorted];
        self.dispatch(Kernel::of(Stage::Weigh), Config::Entries(config), bound, launch);
    }

    fn inspect(&mut self, live: Live<'_>, segment: &Segment, entries: EntriesConfig, at: At) {
        let Some(inspect) = segment.inspect else { return };
        let columns = live.columns();
        let rows_per_window = live.at.rows_per_value_window;
        let skip = (inspect == Inspect::Skip).into();
        let config = InspectConfig { entries, columns, rows_per_window, skip, pad0: 0 };
        let fixed = [self.unsorted(live), at.map, Bind::Status { table: at.table }];
        let launch = Launch { grid: self.over(segment), turns: turns::inspect(columns) };
        let kernel = Kernel::inspect(live.at.access);
        let bound = fixed.into_iter().chain(live.values());
        self.dispatch_with(kernel, (Config::Inspect(config), None), bound, launch);
    }

    /// One invocation per entry.
    fn over(&self, segment: &Segment) -> Grid {
        Grid::over(segment.nnz.div_ceil(self.tuning.workgroup), self.device)
    }
}

/// Which segment it is, and its map.
#[derive(Clone, Copy)]
struct At {
    table: u32,
    segment: u32,
    map: Bind,
}

impl Bind {
    fn at(live: Live<'_>, number: u32, segment: &Segment) -> At {
        let table = live.asked.table;
        let map = match segment.origin {
            ValueOrigin::Map => Self::Map { table, segment: number },
            ValueOrigin::Entry | ValueOrigin::Row => Self::Placeholder(0),
        };
        At { table, segment: number, map }
    }
}

fn entries_config(live: Live<'_>, segment: &Segment, plan: &Plan) -> EntriesConfig {
    let geometry = live.asked.geometry;
    let lists = plan.heads.map_or_else(Default::default, |heads| heads.lists);
    EntriesConfig {
        first: live.at.keys.first + segment.entry_base,
        capacity: segment.nnz,
        key_base: live.at.keys.base,
        sentinel: live.at.keys.sentinel,
        index_format: segment.index_dtype as u32,
        axes: geometry.sparse_dim,
        axis_size_0: geometry.axes[0],
        axis_size_1: geometry.axes[1],
        axis_size_2: geometry.axes[2],
        value_origin: segment.origin as u32,
        value_base: segment.value_base,
        value_rows: segment.value_rows,
        weighted: live.asked.weighted.into(),
        entry_base: segment.entry_base,
        terms: live.at.terms,
        // No table has a row of that number.
        padding_row: segment.padding_row.unwrap_or(u32::MAX),
        has_weights: segment.has_weights.into(),
        key_bits: live.asked.key_bits(),
        block: lists.block,
        lists: lists.first,
    }
}
