//! The stages that sum value rows and update the rows of tables.

use super::{Bind, List, Live, Second};
use crate::step::demand::Pools;
use crate::step::kernel::Kernel;
use crate::step::layout::{Config, PartialConfig, RowsConfig, UpdateConfig, ValueLayout};
use crate::step::shape::{Launch, Window};
use crate::step::stages::Stage;
use crate::step::turns;

/// Levels of chunk sums, which do for all entries that a step may have (`plan`).
pub(super) const MOST_LEVELS: usize = 4;

impl Live<'_> {
    /// Lanes per row.
    pub(super) fn columns(self) -> u32 {
        self.at.access.width.columns(self.asked.geometry.dim)
    }

    /// Where the values are, for workgroups that take `slice` columns.
    pub(super) fn value_layout(self, slice: u32) -> ValueLayout {
        let (columns, terms) = (self.columns(), self.at.terms);
        ValueLayout { columns, rows_per_window: self.at.rows_per_value_window, terms, slice }
    }

    /// Where the sums of each level of partial lie.
    pub(super) fn sums(self) -> [u32; MOST_LEVELS] {
        let mut sums = [0; MOST_LEVELS];
        for (level, planned) in self.at.levels.iter().enumerate() {
            sums[level] = planned.sums;
        }
        sums
    }
}

impl List<'_> {
    pub(super) fn partial(&mut self, live: Live<'_>, below: usize) {
        let Some(level) = live.at.levels.get(below) else { return };
        let stage = Stage::partial(self.tuning.form);
        let config = PartialConfig {
            keys: live.at.keys,
            values: live.value_layout(level.slice),
            blocks: level.blocks,
            stride: level.stride,
            sums: level.sums,
            sums_below: if below > 0 { live.at.levels[below - 1].sums } else { 0 },
            limit: live.asked.limit.unwrap_or_default(),
            ..Default::default()
        };
        let bound = [Bind::Sorted].into_iter().chain(live.values());
        let kernel = Kernel::partial(stage, live.at.access, below == 0, level.at_once);
        let pools = [live.asked.pools.values, None, None];
        self.dispatch_in(pools, kernel, (Config::Partial(config), None), bound, level.launch);
    }

    pub(super) fn update(&mut self, live: Live<'_>) {
        let sums = live.sums();
        let table = live.asked.table;
        let kernel =
            Kernel::update(Stage::update(self.tuning.form), live.at.access, live.asked.rule);
        let known = if self.norm.is_some() { Bind::Clipped } else { Bind::Scalars };
        for (number, window) in live.windows.iter().enumerate() {
            self.rows(live, number as u32, *window, known);
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
                numbers: live.at.numbers,
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
            let scalars = kernel.reads_scalars().then_some(known);
            let bound = fixed.into_iter().chain(live.values()).chain(scalars);
            let Pools { param, state, values, .. } = live.asked.pools;
            self.dispatch_in([param, state, values], kernel, uniforms, bound, live.at.update);
        }
    }

    /// What the rows of a window have of their own.
    fn rows(&mut self, live: Live<'_>, window: u32, rows: Window, known: Bind) {
        let rule = live.asked.rule;
        if rule.row_numbers() == 0 {
            return;
        }
        let squares = live.at.squares.filter(|_| rule.needs_squares());
        if squares.is_some() {
            self.row_squares(live, window, rows, known);
        }
        let config = RowsConfig {
            keys: live.at.keys,
            window_key: live.at.keys.base + rows.first_row,
            window_rows: rows.rows,
            unique: (!live.at.sorted).into(),
            numbers: live.at.numbers,
            squares: squares.map_or(0, |squares| squares.first),
            blocks: squares.map_or(0, |squares| squares.blocks),
            dim: live.asked.geometry.dim,
            ..Default::default()
        };
        let table = live.asked.table;
        let kernel = Kernel::rows(Stage::Rows, rule);
        let fixed = [Bind::RowState { table, window }, Bind::Sorted];
        let scalars = kernel.reads_scalars().then_some(known);
        let uniforms = (Config::Rows(config), Some(Second::RowRule { table }));
        let launch = Launch { grid: live.at.entries, turns: turns::rows(config.blocks) };
        self.dispatch_with(kernel, uniforms, fixed.into_iter().chain(scalars), launch);
    }
}
