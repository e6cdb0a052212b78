//! The stages that find the norm of a step's gradients.

use super::{Bind, List, Live, Second};
use crate::NormType;
use crate::step::demand::NormDemand;
use crate::step::kernel::Kernel;
use crate::step::layout::{Config, NormFactorConfig, NormSumConfig, SquaresConfig};
use crate::step::plan::Plan;
use crate::step::plan::norm::{self, SquaresPlan};
use crate::step::shape::Window;
use crate::step::stages::Stage;

impl List<'_> {
    /// Of a table whose gradient is measured, the blocks of its rows.
    pub(super) fn squares(&mut self, live: Live<'_>, norm: NormType) {
        let Some(squares) = live.at.squares else { return };
        let rows = Window { first_row: 0, rows: live.asked.geometry.rows };
        let config = squares_config(live, squares, self.plan, rows);
        let stage = Stage::squares(self.tuning.form);
        let kernel = Kernel::squares(stage, live.at.access, norm);
        let bound = [Bind::Sorted].into_iter().chain(live.values()).chain([Bind::Scalars]);
        self.dispatch_with(kernel, (config, None), bound, squares.launch);
    }

    /// The same of the gradients as the rule takes them, of the rows of a window.
    pub(super) fn row_squares(&mut self, live: Live<'_>, window: u32, rows: Window, known: Bind) {
        let Some(squares) = live.at.squares else { return };
        let table = live.asked.table;
        let stage = Stage::row_squares(self.tuning.form);
        let (access, rule) = (live.at.access, live.asked.rule);
        let kernel = Kernel::row_squares(stage, access, rule);
        let scalars = kernel.reads_scalars().then_some(known);
        let fixed = [Bind::Param { table, window }, Bind::Sorted];
        let bound = fixed.into_iter().chain(live.values()).chain(scalars);
        let config = squares_config(live, squares, self.plan, rows);
        let uniforms = (config, Some(Second::Rule { table }));
        self.dispatch_with(kernel, uniforms, bound, squares.launch);
    }

    pub(super) fn norm_sum(&mut self, live: Live<'_>, norm: NormType) {
        let Some(squares) = live.at.squares else { return };
        let config = NormSumConfig {
            keys: live.at.keys,
            squares: squares.first,
            blocks: squares.blocks,
            unique: (!live.at.sorted).into(),
            tile: squares.tile,
        };
        let kernel = Kernel::norm_sum(norm);
        self.dispatch(kernel, Config::NormSum(config), [Bind::Sorted, Bind::Norm], squares.sum);
    }

    pub(super) fn norm_factor(&mut self, NormDemand { norm_type, most }: NormDemand) {
        let config = Config::NormFactor(NormFactorConfig { most, ..Default::default() });
        let bound = [Bind::Norm, Bind::Scalars];
        self.dispatch(Kernel::norm_factor(norm_type), config, bound, norm::factor());
    }
}

fn squares_config(live: Live<'_>, squares: SquaresPlan, plan: &Plan, rows: Window) -> Config {
    Config::Squares(SquaresConfig {
        sums: live.sums(),
        keys: live.at.keys,
        values: live.value_layout(squares.slice),
        lists: plan.heads.map_or_else(Default::default, |heads| heads.lists),
        squares: squares.first,
        blocks: squares.blocks,
        levels: live.at.levels.len() as u32,
        first_wins: live.asked.first_wins.into(),
        unique: (!live.at.sorted).into(),
        limit: live.asked.limit.unwrap_or_default(),
        grad_scale: live.asked.grad_scale,
        window_key: live.at.keys.base + rows.first_row,
        window_rows: rows.rows,
        mean: live.asked.rule.counts_entries().into(),
        ..Default::default()
    })
}
