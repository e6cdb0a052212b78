//! Writes a planned step into an encoder. It never submits, polls, maps or waits.

use super::bind::{BindGroups, regions};
use super::layout::{
    AdamHyper, EntryCount, IngestConfig, PartialConfig, SortConfig, UpdateConfig,
};
use super::pipelines::{Kernel, Pipelines, sort_stages};
use super::plan::{DeviceShape, Grid, Plan, TablePlan, TableStep, columns, plan};
use super::scratch::{Scratch, ScratchBytes, try_create};
use super::shaders::Stage;
use super::uniforms::Uniforms;
use crate::table::Table;
use crate::{AdamOptions, Error, Region, SparseGrad, Tuning};
use wgpu::{Buffer, CommandEncoder, ComputePass, ComputePassDescriptor, Device, Queue};

/// Everything that steps are recorded with.
#[derive(Debug)]
pub struct Recorder {
    pub device: Device,
    pub queue: Queue,
    pub tuning: Tuning,
    pub shape: DeviceShape,
    pub pipelines: Pipelines,
    pub bind_groups: BindGroups,
    pub uniforms: Uniforms,
    pub scratch: Scratch,
    /// Stands in for buffers that a gradient does not have.
    absent: Buffer,
    /// What was planned last, and the plan.
    planned: Option<(Vec<TableStep>, Plan)>,
    pub dispatches: u32,
}

impl Recorder {
    pub fn new(device: &Device, queue: &Queue, tuning: Tuning) -> Result<Self, Error> {
        Ok(Self {
            device: device.clone(),
            queue: queue.clone(),
            tuning,
            shape: DeviceShape::of(&device.limits()),
            pipelines: Pipelines::new(device, &tuning),
            bind_groups: BindGroups::default(),
            uniforms: Uniforms::new(device),
            scratch: Scratch::new(device),
            absent: try_create(device, "sparse_adam::absent", 256)?,
            planned: None,
            dispatches: 0,
        })
    }

    /// Plans a step over the tables that have entries and makes room for it.
    pub fn prepare<'a>(&mut self, tables: impl Iterator<Item = &'a Table>) -> Result<(), Error> {
        let step = |table: &Table| {
            let grad = table.entries()?;
            Some(TableStep { geometry: table.geometry, nnz: grad.nnz })
        };
        // A step like the last one is not planned again, so that it allocates nothing.
        let mut last = self.planned.take();
        let mut steps = last.as_mut().map_or_else(Vec::new, |(steps, _)| std::mem::take(steps));
        let before = steps.len();
        let mut same = last.is_some();
        let mut count = 0;
        for new in tables.filter_map(step) {
            same &= steps.get(count) == Some(&new) && count < before;
            if count < steps.len() { steps[count] = new } else { steps.push(new) }
            count += 1;
        }
        steps.truncate(count);
        let plan = match last {
            Some((_, plan)) if same && count == before => plan,
            _ => plan(&steps, self.shape, &self.tuning)?,
        };
        let need = ScratchBytes {
            pairs: 8 * u64::from(plan.sort.count),
            sorted: 4 * plan.sorted_words,
            histogram: 4 * plan.sort.histogram_words,
        };
        self.scratch = self.scratch.grown(&self.device, need, self.shape.max_binding)?;
        self.planned = Some((steps, plan));
        Ok(())
    }

    /// Records the prepared step. `tables` are those it was prepared with, each with the
    /// options of its group.
    pub fn record<'a>(
        &mut self,
        encoder: &mut CommandEncoder,
        tables: impl Iterator<Item = (&'a Table, &'a AdamOptions)> + Clone,
    ) {
        self.dispatches = 0;
        self.bind_groups.begin_step();
        let Some((steps, plan)) = self.planned.take() else { return };
        if plan.sort.count > 0 {
            let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor {
                label: Some("sparse_adam::step"),
                timestamp_writes: None,
            });
            let live = tables.filter_map(|(table, options)| Some((table, table.entries()?, options)));
            let planned = || plan.tables.iter().zip(live.clone());
            for (table_plan, (table, grad, _)) in planned() {
                self.ingest(&mut pass, &plan, table_plan, table, grad);
            }
            self.sort(&mut pass, &plan);
            for (table_plan, (table, grad, _)) in planned() {
                self.partial(&mut pass, table_plan, table, grad);
            }
            for (table_plan, (table, grad, options)) in planned() {
                self.update(&mut pass, table_plan, table, grad, options);
            }
        }
        self.uniforms.flush(&self.queue);
        self.planned = Some((steps, plan));
    }

    /// Pairs go where an even number of passes brings them home to the sorted buffer.
    fn pairs(&self, passes_left: usize) -> Region {
        let home = passes_left.is_multiple_of(2);
        Region::from(if home { &self.scratch.sorted } else { &self.scratch.pairs })
    }

    fn ingest(
        &mut self,
        pass: &mut ComputePass<'_>,
        plan: &Plan,
        at: &TablePlan,
        table: &Table,
        grad: &SparseGrad,
    ) {
        let geometry = table.geometry;
        let config = IngestConfig {
            first: at.first,
            capacity: grad.nnz,
            key_base: at.key_base,
            sentinel: at.sentinel,
            index_format: grad.format as u32,
            axes: geometry.sparse_dim,
            axis_size_0: geometry.axes[0],
            axis_size_1: geometry.axes[1],
            axis_size_2: geometry.axes[2],
            value_source: 0,
            value_rows: grad.nnz,
            pad0: 0,
        };
        let count = EntryCount { entries: grad.nnz, ..Default::default() };
        let (config, config_offset) = self.uniforms.slot(&self.device, &self.queue, &config);
        let (count, count_offset) = self.uniforms.slot(&self.device, &self.queue, &count);
        let bound = [
            config,
            count,
            grad.indices.clone(),
            Region::from(&self.absent),
            self.pairs(plan.sort.passes.len()),
            Region::from(&table.status),
        ];
        let kernel = Kernel::of(Stage::Ingest);
        self.dispatch(pass, kernel, bound, &[config_offset, count_offset], at.ingest);
    }

    fn sort(&mut self, pass: &mut ComputePass<'_>, plan: &Plan) {
        let [histogram, scan, scatter] = sort_stages(self.tuning.sort).map(Kernel::of);
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
            let (config, offset) = self.uniforms.slot(&self.device, &self.queue, &config);
            let (source, target) = (self.pairs(left), self.pairs(left - 1));
            let tiles = plan.sort.tile_grid;
            let bound = [config.clone(), source.clone(), counts.clone()];
            self.dispatch(pass, histogram, bound, &[offset], tiles);
            self.dispatch(pass, scan, [config.clone(), counts.clone()], &[offset], digit.scan);
            let bound = [config, source, target, counts.clone()];
            self.dispatch(pass, scatter, bound, &[offset], tiles);
        }
    }

    fn partial(
        &mut self,
        pass: &mut ComputePass<'_>,
        at: &TablePlan,
        table: &Table,
        grad: &SparseGrad,
    ) {
        let columns = columns(table.geometry.dim);
        let lanes = self.tuning.lanes(columns);
        let mut sums_below = 0;
        for (below, level) in at.levels.iter().enumerate() {
            let config = PartialConfig {
                first: at.first,
                end: at.end,
                blocks: level.blocks,
                stride: level.stride,
                sums: level.sums,
                sums_below,
                columns,
                sentinel: at.sentinel,
            };
            sums_below = level.sums;
            let (config, offset) = self.uniforms.slot(&self.device, &self.queue, &config);
            let bound = [config, grad.values.clone(), Region::from(&self.scratch.sorted)];
            let kernel = Kernel::partial(table.width(), lanes, below == 0);
            self.dispatch(pass, kernel, bound, &[offset], level.grid);
        }
    }

    fn update(
        &mut self,
        pass: &mut ComputePass<'_>,
        at: &TablePlan,
        table: &Table,
        grad: &SparseGrad,
        options: &AdamOptions,
    ) {
        let Some(state) = &table.state else { return };
        let columns = columns(table.geometry.dim);
        let kernel = Kernel::update(table.width(), self.tuning.lanes(columns));
        let mut sums = [0; 4];
        for (sums, level) in sums.iter_mut().zip(&at.levels) {
            *sums = level.sums;
        }
        for (window, moments) in table.windows.iter().zip(&state.moments) {
            let config = UpdateConfig {
                hyper: AdamHyper::at(options, state.step),
                sums,
                first: at.first,
                end: at.end,
                window_key: at.key_base + window.first_row,
                window_rows: window.rows,
                columns,
                levels: at.levels.len() as u32,
                maximize: options.maximize.into(),
                pad0: 0,
            };
            let (config, offset) = self.uniforms.slot(&self.device, &self.queue, &config);
            let bound = [
                config,
                table.window_region(*window),
                Region::from(moments),
                grad.values.clone(),
                Region::from(&self.scratch.sorted),
            ];
            self.dispatch(pass, kernel, bound, &[offset], at.update);
        }
    }

    fn dispatch<const N: usize>(
        &mut self,
        pass: &mut ComputePass<'_>,
        kernel: Kernel,
        bound: [Region; N],
        offsets: &[u32],
        grid: Grid,
    ) {
        let (pipeline, layout) = self.pipelines.get(kernel);
        let group = self.bind_groups.get(&self.device, layout, regions(bound));
        pass.set_pipeline(pipeline);
        pass.set_bind_group(0, group, offsets);
        pass.dispatch_workgroups(grid.x, grid.y, 1);
        self.dispatches += 1;
    }
}
