//! The stages that all pairs of a step go through: the passes of the sort, heads, repeats.

use super::{Bind, List, Live};
use crate::step::kernel::Kernel;
use crate::step::layout::{Config, SortConfig};
use crate::step::plan::HeadsPlan;
use crate::step::shape::Launch;
use crate::step::stages::Stage;

impl Bind {
    /// Where pairs are that `passes_left` passes bring to the sorted buffer.
    pub(super) fn pairs(passes_left: usize) -> Self {
        if passes_left.is_multiple_of(2) { Self::Sorted } else { Self::Pairs }
    }
}

impl List<'_> {
    pub(super) fn sort(&mut self) {
        let sort = &self.plan.sort;
        let [histogram, scan, scatter] = Stage::sort(self.tuning.form).map(Kernel::of);
        for (left, pass) in (1..=sort.passes.len()).rev().zip(&sort.passes) {
            let config = Config::Sort(SortConfig {
                count: sort.count,
                shift: pass.shift,
                radix: pass.radix,
                tiles: sort.tiles,
                tile_size: sort.tile_size,
                fused: sort.fused.into(),
                ..Default::default()
            });
            let (input, output) = (Bind::pairs(left), Bind::pairs(left - 1));
            self.dispatch(histogram, config, [input, Bind::Histogram], pass.tiles);
            if let Some(launch) = pass.scan {
                self.dispatch(scan, config, [Bind::Histogram], launch);
            }
            self.dispatch(scatter, config, [input, output, Bind::Histogram], pass.tiles);
        }
    }

    pub(super) fn heads(&mut self) {
        let Some(HeadsPlan { lists, launch }) = self.plan.heads else { return };
        // A small step's ingest has listed them.
        if !self.plan.small && lists.count > 0 {
            let config = Config::Heads(lists);
            self.dispatch(Kernel::of(Stage::Heads), config, [Bind::Sorted], launch);
        }
    }

    pub(super) fn repeats(&mut self, live: Live<'_>) {
        if live.asked.checked && live.asked.shares.is_none() {
            let status = live.counts();
            let launch = Launch { grid: live.at.entries, turns: 0 };
            let (kernel, config) = (Kernel::of(Stage::Repeats), Config::Keys(live.at.keys));
            self.dispatch(kernel, config, [Bind::Sorted, status], launch);
        }
    }
}
