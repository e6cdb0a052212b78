//! Writes a planned step into an encoder. It never submits, polls, maps or waits.

mod entries;

use super::bind::{BindGroups, Bindings, bindings};
use super::layout::{
    AdamHyper, HeadsConfig, PartialConfig, RepeatsConfig, SortConfig, Source, UpdateConfig,
};
use super::pipelines::{Gather, Kernel, Pipelines, sort_stages};
use super::plan::{HeadsPlan, Plan, TablePlan, TableStep, plan};
use super::scratch::{Scratch, ScratchBytes, try_create};
use super::shaders::{Reach, Stage, WIDE_WINDOWS};
use super::shape::{DeviceShape, Launch};
use super::turns::TURNS;
use super::uniforms::Uniforms;
use crate::table::Table;
use crate::timestamps::{Timed, Timestamps};
use crate::{AdamOptions, Duplicates, Error, NonFinite, Region, SparseGrad, Tuning};
use wgpu::{Buffer, CommandEncoder, ComputePass, ComputePassDescriptor, Device, Queue};

/// Bytes between the regions of `absent`: a multiple of every offset alignment.
const ABSENT_BYTES: u64 = 256;

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
    /// Stands in for buffers that a gradient does not have, at a region each.
    absent: Buffer,
    /// What was planned last, and the plan.
    planned: Option<(Vec<TableStep>, Plan)>,
    pub dispatches: u32,
}

/// A table as a step's stages see it.
#[derive(Clone, Copy)]
struct Live<'a> {
    table: &'a Table,
    options: &'a AdamOptions,
    at: &'a TablePlan,
    asked: TableStep,
    gather: Gather,
    source: Source,
}

/// One of a table's gradients: where its entries and value rows start in the table's.
#[derive(Clone, Copy)]
struct Stretch<'a> {
    grad: &'a SparseGrad,
    number: usize,
    entry_base: u32,
    value_base: u32,
}

fn stretches(table: &Table) -> impl Iterator<Item = Stretch<'_>> {
    let (mut entry_base, mut value_base) = (0, 0);
    table.grads.iter().enumerate().map(move |(number, grad)| {
        let stretch = Stretch { grad, number, entry_base, value_base };
        entry_base += grad.nnz;
        value_base += grad.value_rows(table.geometry);
        stretch
    })
}

impl Recorder {
    pub fn new(device: &Device, queue: &Queue, tuning: Tuning) -> Result<Self, Error> {
        let shape = DeviceShape::of(&device.limits(), device.features());
        let absent_bytes = ABSENT_BYTES * WIDE_WINDOWS as u64;
        Ok(Self {
            device: device.clone(),
            queue: queue.clone(),
            tuning,
            shape,
            pipelines: Pipelines::new(device, &tuning, shape.value_windows),
            bind_groups: BindGroups::default(),
            uniforms: Uniforms::new(device),
            scratch: Scratch::new(device),
            absent: try_create(device, "sparse_adam::absent", absent_bytes)?,
            planned: None,
            dispatches: 0,
        })
    }

    /// Builds the pipelines that a table's gradients need.
    pub fn prepare_pipelines(&mut self, table: &Table) {
        let (device, tuning) = (&self.device, &self.tuning);
        let gather = table.gather(self.shape, tuning);
        self.pipelines.prepare_gather(device, tuning, gather);
        for grad in &table.grads {
            for small in [false, true] {
                let kernel = Kernel::ingest(tuning.form, small, grad.is_plain(table.geometry));
                self.pipelines.prepare(device, tuning, kernel);
            }
            if grad.weights.is_some() {
                self.pipelines.prepare(device, tuning, Kernel::of(Stage::Source));
            }
            if grad.non_finite != NonFinite::Applied {
                self.pipelines.prepare(device, tuning, Kernel::inspect(gather));
            }
            if grad.duplicates == Duplicates::NoneChecked {
                self.pipelines.prepare(device, tuning, Kernel::of(Stage::Repeats));
            }
        }
    }

    /// Plans a step over the tables that have entries and makes room for it.
    pub fn prepare<'a>(&mut self, tables: impl Iterator<Item = &'a Table>) -> Result<(), Error> {
        let (mut steps, last) = match self.planned.take() {
            Some((steps, plan)) => (steps, Some(plan)),
            None => (Vec::new(), None),
        };
        // A step like the last one is not planned again, so that it allocates nothing.
        let plan = match (replace(&mut steps, tables.filter_map(Table::table_step)), last) {
            (false, Some(last)) => last,
            _ => plan(&steps, self.shape, &self.tuning)?,
        };
        let need = ScratchBytes {
            // Pairs that are sorted as they come in, or not at all, are never elsewhere.
            pairs: if plan.sort.passes.is_empty() { 0 } else { 8 * u64::from(plan.pairs) },
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
        timestamps: Option<Timestamps<'_>>,
    ) {
        self.dispatches = 0;
        self.bind_groups.begin_step();
        let Some((steps, plan)) = self.planned.take() else {
            return;
        };
        // Where it is timed, a step without entries writes its timestamps too.
        if plan.pairs > 0 || timestamps.is_some() {
            let with_entries = tables.filter(|(table, _)| !table.grads.is_empty());
            let (shape, tuning) = (self.shape, self.tuning);
            let live = with_entries.zip(&plan.tables).zip(&steps).map(
                move |(((table, options), at), &asked)| {
                    let gather = table.gather(shape, &tuning);
                    let source = Source {
                        columns: gather.width.columns(table.geometry.dim),
                        rows_a_window: table.rows_a_value_window(shape),
                        sources: at.sources,
                        pad0: 0,
                    };
                    Live { table, options, at, asked, gather, source }
                },
            );
            self.gather_inputs(encoder, live.clone());
            self.stages(encoder, &plan, live, timestamps);
        }
        self.uniforms.flush(&self.queue);
        self.planned = Some((steps, plan));
    }

    /// Copies what must be copied before the pass: counts, and the rows of several gradients.
    fn gather_inputs<'a>(
        &self,
        encoder: &mut CommandEncoder,
        tables: impl Iterator<Item = Live<'a>>,
    ) {
        for Live { table, .. } in tables {
            for stretch in stretches(table) {
                if let Some(count) = &stretch.grad.count {
                    let held = &table.extras.counts[stretch.number];
                    encoder.copy_buffer_to_buffer(count.buffer(), count.offset(), held, 0, 4);
                }
            }
            if let ([_, _, ..], Some(gathered)) = (&*table.grads, &table.extras.gathered) {
                for stretch in stretches(table) {
                    let at = u64::from(stretch.value_base) * table.geometry.row_bytes();
                    let from = &stretch.grad.values;
                    let (buffer, offset, size) = (from.buffer(), from.offset(), from.size());
                    encoder.copy_buffer_to_buffer(buffer, offset, gathered, at, size);
                }
            }
        }
    }

    /// Records the stages into one pass, or into one each where they are timed.
    fn stages<'a>(
        &mut self,
        encoder: &mut CommandEncoder,
        plan: &Plan,
        tables: impl Iterator<Item = Live<'a>> + Clone,
        timestamps: Option<Timestamps<'_>>,
    ) {
        let label = Some("sparse_adam::step");
        if let Some(timestamps) = timestamps {
            for part in Timed::ALL {
                let timestamp_writes = Some(timestamps.of(part));
                let descriptor = ComputePassDescriptor { label, timestamp_writes };
                let mut pass = encoder.begin_compute_pass(&descriptor);
                self.part(&mut pass, part, plan, tables.clone());
            }
        } else {
            let descriptor = ComputePassDescriptor { label, timestamp_writes: None };
            let mut pass = encoder.begin_compute_pass(&descriptor);
            for part in Timed::ALL {
                self.part(&mut pass, part, plan, tables.clone());
            }
        }
    }

    /// Records a part of the step for all tables.
    fn part<'a>(
        &mut self,
        pass: &mut ComputePass<'_>,
        part: Timed,
        plan: &Plan,
        tables: impl Iterator<Item = Live<'a>>,
    ) {
        match part {
            Timed::Ingest => tables.for_each(|live| {
                stretches(live.table).for_each(|stretch| self.entries(pass, plan, live, stretch));
            }),
            Timed::Sort => {
                self.sort(pass, plan);
                self.heads(pass, plan);
                tables.for_each(|live| self.repeats(pass, live));
            }
            Timed::Partial => tables.for_each(|live| self.partial(pass, live)),
            Timed::Update => tables.for_each(|live| self.update(pass, plan, live)),
        }
    }

    /// Where pairs are that `passes_left` passes bring home to the sorted buffer.
    fn pairs(&self, passes_left: usize) -> Region {
        let home = passes_left.is_multiple_of(2);
        Region::from(if home { &self.scratch.sorted } else { &self.scratch.pairs })
    }

    fn absent(&self, number: usize) -> Region {
        let start = ABSENT_BYTES * number as u64;
        Region::from(self.absent.slice(start..start + ABSENT_BYTES))
    }

    fn sort(&mut self, pass: &mut ComputePass<'_>, plan: &Plan) {
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
            let (slot, offset) = self.slot(&config);
            let (source, target) = (self.pairs(left), self.pairs(left - 1));
            let tiles = digit.tiles;
            let bound = bindings([slot.clone(), source.clone(), counts.clone()], &[]);
            self.dispatch(pass, histogram, bound, &[offset], tiles);
            let bound = bindings([slot.clone(), counts.clone()], &[]);
            self.dispatch(pass, scan, bound, &[offset], digit.scan);
            let bound = bindings([slot, source, target, counts.clone()], &[]);
            self.dispatch(pass, scatter, bound, &[offset], tiles);
        }
    }

    fn heads(&mut self, pass: &mut ComputePass<'_>, plan: &Plan) {
        let Some(HeadsPlan { block, lists, launch }) = plan.heads else {
            return;
        };
        let count = plan.sort.count;
        // A small step's ingest has listed them.
        if plan.small || count == 0 {
            return;
        }
        let (slot, offset) = self.slot(&HeadsConfig { count, block, lists, pad0: 0 });
        let bound = bindings([slot, Region::from(&self.scratch.sorted)], &[]);
        self.dispatch(pass, Kernel::of(Stage::Heads), bound, &[offset], launch);
    }

    fn repeats(&mut self, pass: &mut ComputePass<'_>, live: Live<'_>) {
        if live.table.grads[0].duplicates != Duplicates::NoneChecked {
            return;
        }
        let &TablePlan { first, end, sentinel, entries, .. } = live.at;
        let (slot, offset) = self.slot(&RepeatsConfig { first, end, sentinel, pad0: 0 });
        let status = Region::from(&live.table.status);
        let bound = bindings([slot, Region::from(&self.scratch.sorted), status], &[]);
        let launch = Launch { grid: entries, turns: 0 };
        self.dispatch(pass, Kernel::of(Stage::Repeats), bound, &[offset], launch);
    }

    fn partial(&mut self, pass: &mut ComputePass<'_>, live: Live<'_>) {
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
            let (slot, offset) = self.slot(&config);
            let bound = self.with_values([slot, Region::from(&self.scratch.sorted)], live);
            let kernel = Kernel::partial(live.gather, below == 0);
            self.dispatch(pass, kernel, bound, &[offset], level.launch);
        }
    }

    fn update(&mut self, pass: &mut ComputePass<'_>, plan: &Plan, live: Live<'_>) {
        let Some(state) = &live.table.state else {
            return;
        };
        let mut sums = [0; 4];
        for (sums, level) in sums.iter_mut().zip(&live.at.levels) {
            *sums = level.sums;
        }
        let (block, lists) = plan.heads.map_or((0, 0), |heads| (heads.block, heads.lists));
        let kernel = Kernel::update(self.tuning.form, live.gather);
        for (window, moments) in live.table.windows.iter().zip(&state.moments) {
            let config = UpdateConfig {
                hyper: AdamHyper::at(live.options, state.step),
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
            let (slot, offset) = self.slot(&config);
            let sorted = Region::from(&self.scratch.sorted);
            let fixed = [slot, window.region.clone(), Region::from(moments), sorted];
            let bound = self.with_values(fixed, live);
            self.dispatch(pass, kernel, bound, &[offset], live.at.update);
        }
    }

    /// `fixed`, then the windows of the table's values.
    fn with_values<const N: usize>(&self, fixed: [Region; N], live: Live<'_>) -> Bindings {
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

    fn slot<T: bytemuck::Pod>(&mut self, value: &T) -> (Region, u32) {
        self.uniforms.slot(&self.device, &self.queue, value)
    }

    fn dispatch(
        &mut self,
        pass: &mut ComputePass<'_>,
        kernel: Kernel,
        bound: Bindings,
        offsets: &[u32],
        Launch { grid, turns }: Launch,
    ) {
        debug_assert!(turns <= TURNS, "{kernel:?} takes {turns} turns");
        let (pipeline, layout) = self.pipelines.get(kernel);
        let group = self.bind_groups.get(&self.device, layout, bound);
        pass.set_pipeline(pipeline);
        pass.set_bind_group(0, group, offsets);
        pass.dispatch_workgroups(grid.x, grid.y, 1);
        self.dispatches += 1;
    }
}

/// Makes `held` hold `new`, in place; whether it held anything else.
fn replace<T: PartialEq>(held: &mut Vec<T>, new: impl Iterator<Item = T>) -> bool {
    let (before, mut count, mut changed) = (held.len(), 0, false);
    for value in new {
        match held.get_mut(count) {
            Some(place) if *place == value => {}
            Some(place) => {
                *place = value;
                changed = true;
            }
            None => {
                held.push(value);
                changed = true;
            }
        }
        count += 1;
    }
    held.truncate(count);
    changed || count != before
}
