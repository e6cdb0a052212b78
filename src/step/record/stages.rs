//! The stages that all entries of a step go through, once they are pairs.

use super::inputs::Live;
use super::{ABSENT_BYTES, Recorder, absent_stride};
use crate::step::bind::{Bindings, bindings};
use crate::step::layout::{
    AdamHyper, HeadsConfig, PartialConfig, RepeatsConfig, SortConfig, UpdateConfig,
};
use crate::step::pipelines::{Kernel, sort_stages};
use crate::step::plan::{HeadsPlan, Plan, TablePlan};
use crate::step::shaders::{Reach, Stage, WIDE_WINDOWS};
use crate::step::shape::Launch;
use crate::{Duplicates, Error, Region};

impl Recorder {
    /// Where pairs are that `passes_left` passes bring home to the sorted buffer.
    pub(super) fn pairs(&self, passes_left: usize) -> Region {
        let home = passes_left.is_multiple_of(2);
        Region::from(if home { &self.scratch.sorted } else { &self.scratch.pairs })
    }

    pub(super) fn absent(&self, number: usize) -> Region {
        let start = absent_stride(self.shape) * number as u64;
        Region::from(self.absent.slice(start..start + ABSENT_BYTES))
    }

    pub(super) fn sort(&mut self, plan: &Plan) -> Result<(), Error> {
        let [histogram, scan, scatter] = sort_stages(self.tuning.form).map(Kernel::of);
        let counts = Region::from(&self.scratch.histogram);
        for (left, digit) in (1..=plan.sort.passes.len()).rev().zip(&plan.sort.passes) {
            let config = SortConfig {
                count: plan.sort.count,
                shift: digit.shift,
                radix: digit.radix,
                tiles: plan.sort.tiles,
                tile_size: plan.sort.tile_size,
                ..Default::default()
            };
            let (slot, offset) = self.slot(&config)?;
            let (source, target) = (self.pairs(left), self.pairs(left - 1));
            let tiles = digit.tiles;
            let bound = bindings([slot.clone(), source.clone(), counts.clone()], &[]);
            self.dispatch(histogram, bound, &[offset], tiles)?;
            let bound = bindings([slot.clone(), counts.clone()], &[]);
            self.dispatch(scan, bound, &[offset], digit.scan)?;
            let bound = bindings([slot, source, target, counts.clone()], &[]);
            self.dispatch(scatter, bound, &[offset], tiles)?;
        }
        Ok(())
    }

    pub(super) fn heads(&mut self, plan: &Plan) -> Result<(), Error> {
        let Some(HeadsPlan { block, lists, launch }) = plan.heads else {
            return Ok(());
        };
        let count = plan.sort.count;
        // A small step's ingest has listed them.
        if plan.small || count == 0 {
            return Ok(());
        }
        let (slot, offset) = self.slot(&HeadsConfig { count, block, lists, pad0: 0 })?;
        let bound = bindings([slot, Region::from(&self.scratch.sorted)], &[]);
        self.dispatch(Kernel::of(Stage::Heads), bound, &[offset], launch)
    }

    pub(super) fn repeats(&mut self, live: Live<'_>) -> Result<(), Error> {
        if live.table.grads[0].duplicates != Duplicates::NoneChecked {
            return Ok(());
        }
        let &TablePlan { first, end, sentinel, entries, .. } = live.at;
        let (slot, offset) = self.slot(&RepeatsConfig { first, end, sentinel, pad0: 0 })?;
        let status = Region::from(&live.table.status);
        let bound = bindings([slot, Region::from(&self.scratch.sorted), status], &[]);
        let launch = Launch { grid: entries, turns: 0 };
        self.dispatch(Kernel::of(Stage::Repeats), bound, &[offset], launch)
    }

    pub(super) fn partial(&mut self, live: Live<'_>) -> Result<(), Error> {
        let mut sums_below = 0;
        for (below, level) in live.at.levels.iter().enumerate() {
            let config = PartialConfig {
                first: live.at.first,
                end: live.at.end,
                blocks: level.blocks,
                stride: level.stride,
                sums: level.sums,
                sums_below,
                sentinel: live.at.sentinel,
                slice: level.slice,
                source: live.source,
            };
            sums_below = level.sums;
            let (slot, offset) = self.slot(&config)?;
            let bound = self.with_values([slot, Region::from(&self.scratch.sorted)], live);
            let kernel = Kernel::partial(live.gather, below == 0);
            self.dispatch(kernel, bound, &[offset], level.launch)?;
        }
        Ok(())
    }

    pub(super) fn update(&mut self, plan: &Plan, live: Live<'_>) -> Result<(), Error> {
        let Some(state) = &live.table.state else {
            return Ok(());
        };
        let mut sums = [0; 4];
        for (sums, level) in sums.iter_mut().zip(&live.at.levels) {
            *sums = level.sums;
        }
        let (block, lists) = plan.heads.map_or((0, 0), |heads| (heads.block, heads.lists));
        let kernel = Kernel::update(self.tuning.form, live.gather);
        for (window, moments) in live.table.windows.iter().zip(&state.moments) {
            let config = UpdateConfig {
                // The step is counted once it is known that it can be recorded.
                hyper: AdamHyper::at(live.options, state.step + 1),
                sums,
                first: live.at.first,
                end: live.at.end,
                window_key: live.at.key_base + window.first_row,
                window_rows: window.rows,
                levels: live.at.levels.len() as u32,
                maximize: live.options.maximize.into(),
                unique: (!live.at.sorted).into(),
                once: live.asked.once.into(),
                source: live.source,
                block,
                lists,
                slice: live.at.slice,
                pad0: 0,
            };
            let (slot, offset) = self.slot(&config)?;
            let sorted = Region::from(&self.scratch.sorted);
            let fixed = [slot, window.region.clone(), Region::from(moments), sorted];
            let bound = self.with_values(fixed, live);
            self.dispatch(kernel, bound, &[offset], live.at.update)?;
        }
        Ok(())
    }

    /// `fixed`, then the windows of the table's values.
    pub(super) fn with_values<const N: usize>(
        &self,
        fixed: [Region; N],
        live: Live<'_>,
    ) -> Bindings {
        let Some(values) = live.table.values() else {
            return bindings(fixed, &[]);
        };
        if live.gather.reach == Reach::Narrow {
            return bindings(fixed, &[values]);
        }
        let window = u64::from(live.source.rows_a_window) * live.table.geometry.row_bytes();
        let windows: [Region; WIDE_WINDOWS] = std::array::from_fn(|number| {
            let start = window * number as u64;
            match values.size().checked_sub(start) {
                None | Some(0) => self.absent(number),
                Some(rest) => values.part(start, rest.min(window)),
            }
        });
        bindings(fixed, &windows)
    }

    /// A uniform slot that holds `value`, and its dynamic offset.
    pub(super) fn slot<T: bytemuck::Pod>(&mut self, value: &T) -> Result<(Region, u32), Error> {
        self.uniforms.slot(&self.guard, value)
    }
}
