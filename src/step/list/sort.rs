//! The stages that all pairs of a step go through: the passes of the sort, heads, repeats.

use super::{Bind, List, Live};
use crate::step::kernel::Kernel;
use crate::step::layout::{Config, SortConfig};
use crate::step::plan::HeadsPlan;
use crate::step::shape::Launch;
use crate::step::stages::Stage;

/// The passes that the serial form tells apart, as the fragment `order` numbers them.
#[derive(Clone, Copy)]
enum PassKind {
    First,
    FirstAndMoves,
    Later,
}

impl Bind {
    /// Where pairs are that `passes_left` passes bring to the sorted buffer.
    pub(super) fn pairs(passes_left: usize) -> Self {
        if passes_left.is_multiple_of(2) { Self::Sorted } else { Self::Pairs }
    }
}

impl List<'_> {
    pub(super) fn sort(&mut self) {
        let sort = &self.plan.sort;
        let [histogram, scan, scatter] =
            Stage::sort(self.tuning.form).map(|stage| Kernel::sorting(stage, sort.way));
        let passes = sort.passes.len();
        for (left, pass) in (1..=passes).rev().zip(&sort.passes) {
            let next = sort.passes.get(passes + 1 - left).filter(|_| sort.way.ahead);
            let is_counted = sort.way.ahead && left < passes;
            let (input, output) = (Bind::pairs(left), Bind::pairs(left - 1));
            let pass_kind = match (left == passes, input) {
                (true, Bind::Sorted) => PassKind::First,
                (true, _) => PassKind::FirstAndMoves,
                (false, _) => PassKind::Later,
            };
            let config = Config::Sort(SortConfig {
                count: sort.count,
                shift: pass.shift,
                radix: pass.radix,
                tiles: sort.tiles,
                tile_size: sort.tile_size,
                fused: sort.fused.into(),
                order: sort.order,
                pass_kind: pass_kind as u32,
                first: pass.first,
                next_first: next.map_or(0, |next| next.first),
                next_shift: next.map_or(0, |next| next.shift),
                next_radix: next.map_or(0, |next| next.radix),
                clear_words: match next {
                    // What the host reserves, it can address.
                    Some(next) if left == passes => sort.histogram_words as u32 - next.first,
                    _ => 0,
                },
                ..SortConfig::default()
            });
            if !is_counted {
                self.dispatch(histogram, config, [input, Bind::Histogram], pass.tiles);
            }
            if let Some(launch) = pass.scan {
                self.dispatch(scan, config, [Bind::Histogram], launch);
            }
            self.dispatch(scatter, config, [input, output, Bind::Histogram], pass.tiles);
        }
    }

    pub(super) fn heads(&mut self) {
        let Some(HeadsPlan { lists, launch }) = self.plan.heads else { return };
        // A small step's ingest has listed them.
        if self.plan.small.is_none() && lists.count > 0 {
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
