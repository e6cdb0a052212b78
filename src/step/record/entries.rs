//! The stages that make pairs of one gradient's entries.

use super::Recorder;
use super::inputs::{Live, Stretch};
use crate::entries::ValueSource;
use crate::step::bind::bindings;
use crate::step::layout::{EntriesConfig, EntryCount, InspectConfig, Source};
use crate::step::pipelines::Kernel;
use crate::step::plan::Plan;
use crate::step::shaders::Stage;
use crate::step::shape::{Grid, Launch};
use crate::step::turns;
use crate::{Error, Form, NonFinite, Region};

impl Recorder {
    /// The stages that make pairs of one gradient's entries: ingest, source, inspect.
    pub(super) fn entries(
        &mut self,
        plan: &Plan,
        live: Live<'_>,
        stretch: Stretch<'_>,
    ) -> Result<(), Error> {
        let grad = stretch.grad;
        let config = entries_config(live, stretch, plan);
        let grid = Grid::over(grad.nnz.div_ceil(self.tuning.workgroup), self.shape);
        // A promised table's pairs are written where they stay.
        let passes = if live.at.sorted { plan.sort.passes.len() } else { 0 };
        let pairs = self.pairs(passes);
        let map = match &grad.source {
            ValueSource::Map { map, .. } => map.clone(),
            _ => self.absent(0),
        };
        let status = Region::from(&live.table.status);
        let bound = [map.clone(), pairs.clone(), status.clone()];
        self.ingest(plan, live, stretch, &config, bound)?;
        if live.asked.weighted {
            let (slot, offset) = self.slot(&config)?;
            let weights = grad.weights.clone().unwrap_or_else(|| self.absent(1));
            let bound = [slot, map.clone(), weights, Region::from(&self.scratch.sorted)];
            let launch = Launch { grid, turns: 0 };
            self.dispatch(Kernel::of(Stage::Source), bindings(bound, &[]), &[offset], launch)?;
        }
        if grad.non_finite != NonFinite::Applied {
            let Source { columns, rows_a_window, .. } = live.source;
            let skip = (grad.non_finite == NonFinite::Skipped).into();
            let config = InspectConfig { entries: config, columns, rows_a_window, skip, pad0: 0 };
            let (slot, offset) = self.slot(&config)?;
            let bound = self.with_values([slot, pairs, map, status], live);
            let launch = Launch { grid, turns: turns::inspect(columns) };
            self.dispatch(Kernel::inspect(live.gather), bound, &[offset], launch)?;
        }
        Ok(())
    }

    fn ingest(
        &mut self,
        plan: &Plan,
        live: Live<'_>,
        stretch: Stretch<'_>,
        config: &EntriesConfig,
        [map, pairs, status]: [Region; 3],
    ) -> Result<(), Error> {
        let grad = stretch.grad;
        let (slot, offset) = self.slot(config)?;
        let (count, count_offset) = match grad.count {
            Some(_) => (Region::from(&live.table.extras.counts[stretch.number]), 0),
            None => self.slot(&EntryCount { entries: grad.nnz, ..Default::default() })?,
        };
        let bound = bindings([slot, count, grad.indices.clone(), map, pairs, status], &[]);
        let per_workgroup = self.tuning.workgroup * self.tuning.ingest_strip;
        let (workgroups, turns) = match (plan.small, self.tuning.form) {
            (false, _) => {
                (grad.nnz.div_ceil(per_workgroup), turns::ingest(self.tuning.ingest_strip))
            }
            (true, Form::Serial) => {
                (1, turns::ingest_small_serial(grad.nnz, config.key_bits, config.block))
            }
            (true, Form::Wide) => (1, turns::ingest_small_wide(grad.nnz)),
        };
        let launch = Launch { grid: Grid::over(workgroups, self.shape), turns };
        let kernel =
            Kernel::ingest(self.tuning.form, plan.small, grad.is_plain(live.table.geometry));
        self.dispatch(kernel, bound, &[offset, count_offset], launch)
    }
}

fn entries_config(live: Live<'_>, stretch: Stretch<'_>, plan: &Plan) -> EntriesConfig {
    let Stretch { grad, entry_base, value_base, .. } = stretch;
    let geometry = live.table.geometry;
    EntriesConfig {
        first: live.at.first + entry_base,
        capacity: grad.nnz,
        key_base: live.at.key_base,
        sentinel: live.at.sentinel,
        index_format: grad.format as u32,
        axes: geometry.sparse_dim,
        axis_size_0: geometry.axes[0],
        axis_size_1: geometry.axes[1],
        axis_size_2: geometry.axes[2],
        value_source: match grad.source {
            ValueSource::Entry => 0,
            ValueSource::Map { .. } => 1,
            ValueSource::Row => 2,
        },
        value_base,
        value_rows: grad.value_rows(geometry),
        weighted: live.asked.weighted.into(),
        entry_base,
        sources: live.at.sources,
        // No table has a row of that number.
        padding_row: grad.padding_idx.unwrap_or(u32::MAX),
        has_weights: grad.weights.is_some().into(),
        key_bits: plan.sort.key_bits,
        block: plan.heads.map_or(0, |heads| heads.block),
        lists: plan.heads.map_or(0, |heads| heads.lists),
    }
}
