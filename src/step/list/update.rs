//! The stages that sum value rows and update the rows of tables.

use super::{Bind, List, Live, Second};
use crate::step::kernel::Kernel;
use crate::step::layout::{Config, PartialConfig, UpdateConfig, ValueLayout};
use crate::step::stages::Stage;

impl Live<'_> {
    /// Lanes per row.
    pub(super) fn columns(self) -> u32 {
        self.at.access.width.columns(self.asked.geometry.dim)
    }

    /// Where the values are, for workgroups that take `slice` columns.
    fn value_layout(self, slice: u32) -> ValueLayout {
        let (columns, terms) = (self.columns(), self.at.terms);
        ValueLayout { columns, rows_per_window: self.at.rows_per_value_window, terms, slice }
    }
}

impl List<'_> {
    pub(super) fn partial(&mut self, live: Live<'_>) {
        let mut sums_below = 0;
        for (below, level) in live.at.levels.iter().enumerate() {
            let config = PartialConfig {
                keys: live.at.keys,
                values: live.value_layout(level.slice),
                blocks: level.blocks,
                stride: level.stride,
                sums: level.sums,
                sums_below,
                limit: live.asked.limit.unwrap_or_default(),
                ..Default::default()
            };
            sums_below = level.sums;
            let bound = [Bind::Sorted].into_iter().chain(live.values());
            let kernel = Kernel::partial(live.at.access, below == 0);
            self.dispatch_with(kernel, (Config::Partial(config), None), bound, level.launch);
        }
    }

    pub(super) fn update(&mut self, live: Live<'_>) {
        let mut sums = [0; 4];
        for (level, planned) in live.at.levels.iter().enumerate() {
            // Four levels do for all entries that a step may have.
            sums[level] = planned.sums;
        }
        let table = live.asked.table;
        let kernel =
            Kernel::update(Stage::update(self.tuning.form), live.at.access, live.asked.rule);
        for (number, window) in live.windows.iter().enumerate() {
            let config = UpdateConfig {
                sums,
                keys: live.at.keys,
                values: live.value_layout(live.at.slice),
                lists: self.plan.heads.map_or_else(Default::default, |heads| heads.lists),
                window_key: live.at.keys.base + window.first_row,
                window_rows: window.rows,
                levels: live.at.levels.len() as u32,
                first_wins: live.asked.first_wins.into(),
                unique: (!live.at.sorted).into(),
                limit: live.asked.limit.unwrap_or_default(),
                ..Default::default()
            };
            let window = number as u32;
            let fixed =
                [Bind::Param { table, window }, Bind::State { table, window }, Bind::Sorted];
            let second = match kernel.draws() {
                true => Second::Drawn { table },
                false => Second::Rule { table },
            };
            let uniforms = (Config::Update(config), Some(second));
            let scalars = kernel.reads_scalars().then_some(Bind::Scalars);
            let bound = fixed.into_iter().chain(live.values()).chain(scalars);
            self.dispatch_with(kernel, uniforms, bound, live.at.update);
        }
    }
}
