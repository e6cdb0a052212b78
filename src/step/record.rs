//! Makes of a plan a list of dispatches, and writes the list into an encoder. It never submits, polls,
//! maps or waits.
//!
//! All that can be refused (buffers, slots, bind groups, pipelines) is made for the list, before
//! anything is counted; writing the list down makes nothing.

mod entries;
mod inputs;
mod stages;

use super::bind::{BindGroups, Bindings};
use super::layout::Source;
use super::pipelines::{Kernel, Pipelines};
use super::plan::{Plan, TableStep, plan};
use super::scratch::{Scratch, ScratchBytes};
use super::shaders::{Stage, WIDE_WINDOWS};
use super::shape::{DeviceShape, Grid, Launch};
use super::turns::TURNS;
use super::uniforms::Uniforms;
use super::witness::{self, Witness};
use crate::entries::Entries;
use crate::guard::Guard;
use crate::table::Table;
use crate::timestamps::{Timed, Timestamps};
use crate::{AdamOptions, Duplicates, Error, NonFinite, Tuning, device_limits};
use inputs::{Live, gather_inputs, stretches};
use std::sync::Arc;
use wgpu::{
    BindGroup, Buffer, CommandEncoder, ComputePass, ComputePassDescriptor, ComputePipeline,
};

/// Bytes of each region of `absent`.
const ABSENT_BYTES: u64 = 256;

/// Everything that steps are recorded with.
#[derive(Debug)]
pub struct Recorder {
    pub guard: Arc<Guard>,
    pub tuning: Tuning,
    pub shape: DeviceShape,
    pub pipelines: Pipelines,
    pub bind_groups: BindGroups,
    pub uniforms: Uniforms,
    pub scratch: Scratch,
    /// The scratch that nothing was asked of yet.
    smallest: Scratch,
    /// Stands in for buffers that a gradient does not have, at a region each.
    absent: Buffer,
    pub witness: Witness,
    /// What was planned last, and the plan.
    planned: Option<(Vec<TableStep>, Plan)>,
    /// The dispatches of the step that is about to be recorded, part by part.
    ready: Vec<Ready>,
    /// The part that is being listed.
    part: Timed,
    pub dispatches: u32,
}

/// A dispatch that has only to be written down.
#[derive(Debug)]
struct Ready {
    part: Timed,
    pipeline: ComputePipeline,
    group: BindGroup,
    offsets: [u32; 2],
    /// How many of the offsets there are.
    uniforms: usize,
    grid: Grid,
}

impl Recorder {
    /// # Errors
    /// As [`Guard::make`] and [`Guard::buffer`].
    pub fn new(guard: Arc<Guard>, tuning: Tuning) -> Result<Self, Error> {
        let limits = device_limits::usable(guard.device.limits());
        let shape = DeviceShape::of(&limits, guard.device.features());
        let smallest = Scratch::new(&guard)?;
        let absent_bytes = absent_stride(shape) * WIDE_WINDOWS as u64;
        let absent = guard.storage("sparse_adam::absent", absent_bytes)?;
        Ok(Self {
            tuning,
            shape,
            pipelines: Pipelines::new(&guard, &tuning)?,
            bind_groups: BindGroups::default(),
            uniforms: Uniforms::new(&guard)?,
            scratch: smallest.clone(),
            smallest,
            witness: Witness::new(&absent),
            absent,
            planned: None,
            ready: Vec::new(),
            part: Timed::Ingest,
            dispatches: 0,
            guard,
        })
    }

    /// Builds the pipelines that a table's gradients need, so that its steps need not.
    ///
    /// # Errors
    /// As [`Guard::make`].
    pub fn prepare_pipelines(&mut self, table: &Table) -> Result<(), Error> {
        let (guard, form) = (&self.guard, self.tuning.form);
        let gather = table.gather(self.shape, &self.tuning);
        self.pipelines.prepare_gather(guard, gather)?;
        for grad in &table.grads {
            for small in [false, true] {
                let kernel = Kernel::ingest(form, small, grad.is_plain(table.geometry));
                self.pipelines.prepare(guard, kernel)?;
            }
            if grad.weights.is_some() {
                self.pipelines.prepare(guard, Kernel::of(Stage::Source))?;
            }
            if grad.non_finite != NonFinite::Applied {
                self.pipelines.prepare(guard, Kernel::inspect(gather))?;
            }
            if grad.duplicates == Duplicates::NoneChecked {
                self.pipelines.prepare(guard, Kernel::of(Stage::Repeats))?;
            }
        }
        Ok(())
    }

    /// Checks that the device can use the buffers of a gradient of the parameter `name`.
    ///
    /// # Errors
    /// [`Error::InvalidBuffer`]; as [`Guard::make`].
    pub fn check_buffers(&mut self, name: &str, grad: &Entries) -> Result<(), Error> {
        let given = grad.given().map(|(role, region)| (name, role, region));
        self.witness.check(&self.guard, given)?;
        match &grad.count {
            Some(count) => witness::check_copied(&self.guard, name, count, &self.absent),
            None => Ok(()),
        }
    }

    /// Plans a step over the tables that have entries and makes room for it.
    ///
    /// # Errors
    /// [`Error::TooLarge`]; as [`Guard::buffer`].
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
        self.scratch = self.scratch.grown(&self.guard, need, self.shape.max_binding)?;
        self.planned = Some((steps, plan));
        Ok(())
    }

    /// Lists the dispatches of the prepared step. `tables` are those it was prepared with, each with
    /// the options of its group; their step counts are those before the step.
    ///
    /// # Errors
    /// As [`Guard::make`]; then there is no list.
    pub fn list<'a>(
        &mut self,
        tables: impl Iterator<Item = (&'a Table, &'a AdamOptions)> + Clone,
    ) -> Result<(), Error> {
        self.ready.clear();
        self.bind_groups.begin_step();
        let Some((steps, plan)) = self.planned.take() else {
            return Ok(());
        };
        let listed = self.try_list(&steps, &plan, tables);
        self.planned = Some((steps, plan));
        if listed.is_err() {
            self.ready.clear();
            self.bind_groups.undo_step();
            self.uniforms.forget();
        }
        listed
    }

    fn try_list<'a>(
        &mut self,
        steps: &[TableStep],
        plan: &Plan,
        tables: impl Iterator<Item = (&'a Table, &'a AdamOptions)> + Clone,
    ) -> Result<(), Error> {
        let guard = Arc::clone(&self.guard);
        let taken = guard.make("what a step binds", 0, |_| {
            self.parts(steps, plan, tables)?;
            Ok(self.uniforms.flush(&guard))
        })??;
        // A device that has taken slots lives; in a browser it takes them in any case.
        if taken && cfg!(not(target_arch = "wasm32")) { Ok(()) } else { guard.alive() }
    }

    /// Lets go of all that only saves later steps from making it.
    pub fn trim(&mut self) {
        self.bind_groups.clear();
        self.scratch = self.smallest.clone();
        self.planned = None;
    }

    /// Lists a step part by part.
    fn parts<'a>(
        &mut self,
        steps: &[TableStep],
        plan: &Plan,
        tables: impl Iterator<Item = (&'a Table, &'a AdamOptions)> + Clone,
    ) -> Result<(), Error> {
        let with_entries = tables.filter(|(table, _)| !table.grads.is_empty());
        let (shape, tuning) = (self.shape, self.tuning);
        let live = with_entries.zip(&plan.tables).zip(steps).map(
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
        if plan.pairs == 0 {
            return Ok(());
        }
        for part in Timed::ALL {
            self.part = part;
            match part {
                Timed::Ingest => live.clone().try_for_each(|live| {
                    stretches(live.table).try_for_each(|stretch| self.entries(plan, live, stretch))
                })?,
                Timed::Sort => {
                    self.sort(plan)?;
                    self.heads(plan)?;
                    live.clone().try_for_each(|live| self.repeats(live))?;
                }
                Timed::Partial => live.clone().try_for_each(|live| self.partial(live))?,
                Timed::Update => live.clone().try_for_each(|live| self.update(plan, live))?,
            }
        }
        Ok(())
    }

    /// Adds a dispatch to the list.
    fn dispatch(
        &mut self,
        kernel: Kernel,
        bound: Bindings,
        offsets: &[u32],
        Launch { grid, turns }: Launch,
    ) -> Result<(), Error> {
        debug_assert!(turns <= TURNS, "{kernel:?} takes {turns} turns");
        let (pipeline, layout) = self.pipelines.get(&self.guard, kernel)?;
        let group = self.bind_groups.get(&self.guard.device, layout, bound);
        let mut padded = [0; 2];
        padded[..offsets.len()].copy_from_slice(offsets);
        self.ready.push(Ready {
            part: self.part,
            pipeline: pipeline.clone(),
            group: group.clone(),
            offsets: padded,
            uniforms: offsets.len(),
            grid,
        });
        Ok(())
    }

    /// Records the listed step, with `tables` as they were when it was listed.
    pub fn record<'a>(
        &mut self,
        encoder: &mut CommandEncoder,
        tables: impl Iterator<Item = &'a Table>,
        timestamps: Option<Timestamps<'_>>,
    ) {
        gather_inputs(encoder, tables);
        self.dispatches = self.ready.len() as u32;
        let label = Some("sparse_adam::step");
        if let Some(timestamps) = timestamps {
            // A part without dispatches writes its timestamps too.
            for part in Timed::ALL {
                let timestamp_writes = Some(timestamps.of(part));
                let descriptor = ComputePassDescriptor { label, timestamp_writes };
                let mut pass = encoder.begin_compute_pass(&descriptor);
                self.ready
                    .iter()
                    .filter(|ready| ready.part == part)
                    .for_each(|r| r.write(&mut pass));
            }
        } else if !self.ready.is_empty() {
            let descriptor = ComputePassDescriptor { label, timestamp_writes: None };
            let mut pass = encoder.begin_compute_pass(&descriptor);
            self.ready.iter().for_each(|ready| ready.write(&mut pass));
        }
        // The list's bind groups would hold the caller's buffers.
        self.ready.clear();
    }
}

impl Ready {
    fn write(&self, pass: &mut ComputePass<'_>) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.group, &self.offsets[..self.uniforms]);
        pass.dispatch_workgroups(self.grid.x, self.grid.y, 1);
    }
}

/// Bytes from one region of `absent` to the next.
fn absent_stride(shape: DeviceShape) -> u64 {
    ABSENT_BYTES.next_multiple_of(shape.alignment)
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
