//! Walks the list of a step and writes it into an encoder. It never submits, polls, maps or waits.
//!
//! All that can be refused (buffers, slots, bind groups, pipelines) is made for the list, before
//! anything is counted; writing the list down makes nothing.

mod flush;
mod items;
mod passes;
mod ready;
mod remap;
mod second;
mod tables;
mod writing;

pub use second::StepOf;
pub use tables::{Binds, Tables};

use self::items::Stretches;
use self::ready::Ready;
use self::second::LastWords;
use super::bind::{BindGroups, Bindings};
use super::demand::Demand;
use super::list::{Bind, Dispatch, Item, list, merge};
use super::pipelines::Pipelines;
use super::plan::plan;
use super::scratch::{Scratch, ScratchBytes};
use super::shape::DeviceShape;
use super::stages::MOST_BOUND;
use super::uniforms::Uniforms;
use super::witness::{self, Witness};
use crate::entries::Entries;
use crate::guard::Guard;
use crate::optimizer::norm::Norm;
use crate::region::Spot;
use crate::rule::Family;
use crate::{Error, Kit, Region, device_limits};
use std::sync::Arc;
use wgpu::Buffer;

/// Bytes per region of `placeholder`.
const PLACEHOLDER_BYTES: u64 = 256;
/// Regions of `placeholder`: a dispatch of several items binds no more, nor one that reads values in windows.
const PLACEHOLDERS: u64 = MOST_BOUND as u64;

/// Everything that steps are recorded with.
#[derive(Debug)]
pub struct Recorder {
    pub guard: Arc<Guard>,
    pub shape: DeviceShape,
    pub family: &'static Family,
    pub kit: Kit,
    pub bind_groups: BindGroups,
    pub uniforms: Uniforms,
    pub scratch: Scratch,
    /// The scratch that nothing was asked of yet.
    smallest: Scratch,
    /// Stands in for buffers that a gradient does not have, at a region each.
    placeholder: Buffer,
    pub witness: Witness,
    /// A uniform buffer of what the GPU knows of a step, where it is to know something.
    pub scalars: Option<Buffer>,
    /// Where a step finds the norm that its gradients are clipped by, where they are.
    pub norm: Option<Norm>,
    /// What the list is for, where there is one; the scratch that it needs; and the list. A step like
    /// the last one is not listed again, so that it allocates nothing.
    demand: Demand,
    listed: Option<ScratchBytes>,
    list: Vec<Dispatch>,
    /// What dispatches take that take several items.
    items: Vec<Item>,
    /// Tables whose rows draw by numbers of the caller's, and where in the scratch a step reads these, in bytes.
    numbered: Vec<(u32, u64)>,
    /// Where their configs and rules are put together: kept, so that a step allocates nothing for them.
    item_bytes: [Vec<u8>; 2],
    last_words: LastWords,
    /// The demand of the step that is about to be recorded.
    next: Demand,
    /// The list, with all that it binds.
    ready: Vec<Ready>,
    pub dispatches: u32,
}

impl Recorder {
    /// # Errors
    /// As [`Guard::make`] and [`Guard::buffer`].
    pub fn new(guard: Arc<Guard>, kit: Kit, family: &'static Family) -> Result<Self, Error> {
        let limits = device_limits::usable(guard.device.limits());
        let shape = DeviceShape::of(&limits, device_limits::usable_features(&guard.device));
        let smallest = Scratch::new(&guard)?;
        let bytes = placeholder_stride(shape) * PLACEHOLDERS;
        let placeholder = guard.storage("sparse_adam::placeholder", bytes)?;
        Ok(Self {
            shape,
            family,
            kit,
            bind_groups: BindGroups::default(),
            uniforms: Uniforms::new(&guard)?,
            scratch: smallest.clone(),
            smallest,
            witness: Witness::new(&placeholder),
            placeholder,
            scalars: None,
            norm: None,
            demand: Demand::default(),
            listed: None,
            list: Vec::new(),
            items: Vec::new(),
            numbered: Vec::new(),
            item_bytes: Default::default(),
            last_words: LastWords::default(),
            next: Demand::default(),
            ready: Vec::new(),
            dispatches: 0,
            guard,
        })
    }

    /// Checks that the device can use the buffers of a gradient of the parameter `name`.
    ///
    /// # Errors
    /// [`Error::InvalidBuffer`]; as [`Guard::make`].
    pub fn check_buffers(&mut self, name: &str, grad: &Entries) -> Result<(), Error> {
        let given = grad.given().map(|(role, region)| (name, role, region));
        self.witness.check(&self.guard, given)?;
        match &grad.count {
            Some(count) => self.check_copied(&format!("count of {name:?}"), count),
            None => Ok(()),
        }
    }

    /// Lists a step over the tables that have entries, and makes room for it.
    ///
    /// # Errors
    /// [`Error::TooLarge`]; as [`Guard::buffer`].
    pub fn prepare(&mut self, tables: &impl Tables) -> Result<(), Error> {
        self.next.clear();
        tables.ask(self.shape, &mut self.next);
        self.next.clip_by(self.norm.as_ref().map(|norm| norm.asked));
        let need = match self.listed {
            Some(need) if self.next == self.demand => need,
            _ => self.list_next()?,
        };
        self.scratch = self.scratch.grown(&self.guard, need, self.shape.max_binding)?;
        Ok(())
    }

    fn list_next(&mut self) -> Result<ScratchBytes, Error> {
        self.listed = None;
        std::mem::swap(&mut self.demand, &mut self.next);
        let plan = plan(&self.demand.tables, self.shape, self.kit.tuning())?;
        let on = (self.shape, self.kit.tuning());
        list(&self.demand, &plan, on, &mut self.list);
        merge(&mut self.list, &mut self.items, self.shape);
        self.numbered.clear();
        let numbered = self.demand.tables.iter().zip(&plan.tables);
        let numbered = numbered.filter(|(asked, _)| asked.formats.is_numbered);
        self.numbered.extend(numbered.map(|(asked, at)| (asked.table, at.numbers_of_rows())));
        let need = ScratchBytes {
            // Pairs that are sorted as they come in, or not at all, are never elsewhere.
            pairs: if plan.sort.passes.is_empty() { 0 } else { 8 * u64::from(plan.pairs) },
            sorted: 4 * plan.sorted_words,
            histogram: 4 * plan.sort.histogram_words,
        };
        self.listed = Some(need);
        Ok(need)
    }

    /// Builds the pipelines of the prepared step.
    ///
    /// # Errors
    /// As [`Guard::make`].
    pub fn build(&mut self) -> Result<(), Error> {
        let mut pipelines = self.kit.pipelines();
        let mut kernels = self.list.iter().map(|dispatch| dispatch.kernel);
        kernels.try_for_each(|kernel| pipelines.get(&self.guard, kernel).map(drop))
    }

    /// Makes what the prepared step binds. `step` tells what is done to a table.
    ///
    /// # Errors
    /// As [`Guard::make`]; then there is nothing to record.
    pub fn make_ready(
        &mut self,
        tables: &impl Binds,
        step: impl Fn(u32) -> StepOf,
    ) -> Result<(), Error> {
        self.ready.clear();
        self.bind_groups.begin_step();
        let (list, listed) = (std::mem::take(&mut self.list), self.listed.take());
        let made = self.bind_all(&list, tables, step);
        // Not where it panics: an empty list would be taken for the step's.
        (self.list, self.listed) = (list, listed);
        if made.is_err() {
            self.ready.clear();
            self.bind_groups.undo_step();
            self.uniforms.forget();
        }
        made
    }

    fn bind_all(
        &mut self,
        list: &[Dispatch],
        tables: &impl Binds,
        step: impl Fn(u32) -> StepOf,
    ) -> Result<(), Error> {
        let (guard, kit) = (Arc::clone(&self.guard), self.kit.clone());
        // Of the last step: options may have changed since.
        self.last_words = LastWords::default();
        let mut pipelines = kit.pipelines();
        let taken = guard.make("what a step binds", 0, |_| {
            let pipelines = &mut *pipelines;
            list.iter().try_for_each(|dispatch| self.bind(dispatch, pipelines, tables, &step))?;
            Ok(self.uniforms.flush(&guard))
        })??;
        // A device that has taken slots lives; in a browser it takes them in any case.
        if taken && cfg!(not(target_arch = "wasm32")) { Ok(()) } else { guard.alive() }
    }

    fn bind(
        &mut self,
        dispatch: &Dispatch,
        pipelines: &mut Pipelines,
        tables: &impl Binds,
        step: &impl Fn(u32) -> StepOf,
    ) -> Result<(), Error> {
        let guard = &Arc::clone(&self.guard);
        let stretches = self.stretches(dispatch, tables)?;
        let (config, second) = match dispatch.items {
            Some(items) => {
                self.items((items, dispatch.kernel.items), (tables, &stretches), step)?
            }
            None => {
                let config = self.uniforms.config(guard, &dispatch.config)?;
                let second = dispatch.second.map(|second| self.second(second, tables, step));
                (config, second.transpose()?)
            }
        };
        let ((config, offset), (second, second_offset)) = (config, second.unzip());
        let uniforms = 1 + usize::from(second.is_some());
        let mut bound = Bindings::default();
        let storage = dispatch.bound.iter().map_while(|&bind| bind);
        let (first, rest) = bound.split_at_mut(uniforms);
        first.iter_mut().zip([Some(config), second]).for_each(|(place, given)| *place = given);
        for (place, bind) in rest.iter_mut().zip(storage) {
            *place = Some(self.resolve(bind, tables, &stretches)?);
        }
        let (pipeline, layout) = pipelines.get(guard, dispatch.kernel)?;
        let group = self.bind_groups.get(&guard.device, layout, bound).clone();
        let arrays = match &layout.arrays {
            Some(of) => {
                let elements = self.in_arrays(dispatch, tables)?;
                let group = self.bind_groups.of_arrays(&guard.device, of, elements.iter());
                Some(group.clone())
            }
            None => None,
        };
        self.ready.push(Ready {
            part: dispatch.part,
            pipeline: pipeline.clone(),
            group,
            arrays,
            offsets: [offset, second_offset.unwrap_or_default()],
            uniforms,
            grid: dispatch.launch.grid,
        });
        Ok(())
    }

    /// The bytes that are bound. A list that names what no table has would be a mistake of ours, and
    /// must not write anything.
    fn resolve(
        &self,
        bind: Bind,
        tables: &impl Binds,
        stretches: &Stretches<'_>,
    ) -> Result<Region, Error> {
        let found = |spot: Option<Spot<'_>>| spot.map(Region::from).ok_or_else(|| nobody_has(bind));
        Ok(match bind {
            Bind::Pairs => Region::from(&self.scratch.pairs),
            Bind::Sorted => Region::from(&self.scratch.sorted),
            Bind::Histogram => Region::from(&self.scratch.histogram),
            Bind::Placeholder(number) => self.placeholder(number),
            Bind::Scalars | Bind::Clipped | Bind::Norm => self.known(bind),
            Bind::Stretch(number) => found(stretches[number as usize])?,
            of_table => found(tables.bytes_of(of_table))?,
        })
    }

    /// What the GPU knows of the step.
    fn known(&self, bind: Bind) -> Region {
        match (bind, &self.norm, &self.scalars) {
            (Bind::Norm, Some(norm), _) => Region::from(&norm.state),
            (Bind::Clipped, Some(norm), _) => norm.clipped(),
            (_, _, Some(scalars)) => Region::from(scalars),
            (_, Some(norm), None) => Region::from(&norm.unscaled),
            (_, None, None) => Region::from(&self.placeholder),
        }
    }

    /// Checks that the device can copy four bytes of the caller's from `region`, named `name`.
    ///
    /// # Errors
    /// [`Error::InvalidBuffer`]; as [`Guard::make`].
    pub fn check_copied(&self, name: &str, region: &Region) -> Result<(), Error> {
        witness::check_copied(&self.guard, name, region, &self.placeholder)
    }

    fn placeholder(&self, number: u32) -> Region {
        let start = placeholder_stride(self.shape) * u64::from(number);
        Region::from(self.placeholder.slice(start..start + PLACEHOLDER_BYTES))
    }

    /// Lets go of all that only saves later steps from making it.
    pub fn trim(&mut self) {
        self.bind_groups.clear();
        self.scratch = self.smallest.clone();
        self.listed = None;
        self.list.clear();
    }
}

/// Of a list that names what there is not.
fn nobody_has(bind: Bind) -> Error {
    let (what, reason) = (format!("{bind:?}"), "no table has it".into());
    Error::Refused { what, reason, source: None }
}

/// Bytes from one region of `placeholder` to the next.
fn placeholder_stride(shape: DeviceShape) -> u64 {
    PLACEHOLDER_BYTES.next_multiple_of(shape.alignment)
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
