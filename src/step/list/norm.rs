//! The stages that find the norm of a step's gradients.

use super::{Bind, List, Live};
use crate::NormType;
use crate::step::demand::NormDemand;
use crate::step::kernel::Kernel;
use crate::step::layout::{Config, NormFactorConfig, NormSumConfig, SquaresConfig};
use crate::step::plan::norm;
use crate::step::stages::Stage;

impl List<'_> {
    /// Of a table whose gradient is measured, the blocks of its rows.
    pub(super) fn squares(&mut self, live: Live<'_>, norm: NormType) {
        let Some(squares) = live.at.squares else { return };
        let config = SquaresConfig {
            sums: live.sums(),
            keys: live.at.keys,
            values: live.value_layout(squares.slice),
            lists: self.plan.heads.map_or_else(Default::default, |heads| heads.lists),
            squares: squares.first,
            blocks: squares.blocks,
            levels: live.at.levels.len() as u32,
            first_wins: live.asked.first_wins.into(),
            unique: (!live.at.sorted).into(),
            limit: live.asked.limit.unwrap_or_default(),
            grad_scale: live.asked.grad_scale,
            zero: 0,
        };
        let stage = Stage::squares(self.tuning.form);
        let kernel = Kernel::squares(stage, live.at.access, squares.lanes, norm);
        let bound = [Bind::Sorted].into_iter().chain(live.values()).chain([Bind::Scalars]);
        self.dispatch_with(kernel, (Config::Squares(config), None), bound, squares.launch);
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
        let kernel = Kernel::norm_sum(squares.lanes, norm);
        self.dispatch(kernel, Config::NormSum(config), [Bind::Sorted, Bind::Norm], squares.sum);
    }

    pub(super) fn norm_factor(&mut self, NormDemand { norm_type, most }: NormDemand) {
        let config = Config::NormFactor(NormFactorConfig { most, ..Default::default() });
        let bound = [Bind::Norm, Bind::Scalars];
        self.dispatch(Kernel::norm_factor(norm_type), config, bound, norm::factor());
    }
}
