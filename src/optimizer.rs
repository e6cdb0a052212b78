//! The optimizer: groups, parameters, gradients, the step.

mod flushing;
mod gradients;
mod groups;
mod hooking;
mod inspect;
pub(crate) mod norm;
mod numbering;
mod placing;
mod recording;
mod remapping;
mod removing;
mod resetting;
mod resources;
mod scalars;
mod settle;
mod statuses;

use crate::before::Before;
use crate::entries::Entries;
use crate::guard::Guard;
use crate::hooks::Hooks;
use crate::ids::next_optimizer;
use crate::options::Group;
use crate::places::{Places, overlap};
use crate::rule::Family;
use crate::rule::adam::ADAM;
use crate::step::record::Recorder;
use crate::table::{Statuses, Table};
use crate::{
    AdamOptions, Error, GroupId, Kit, Param, ParamGroup, ParamId, SparseGrad, Timestamps, Tuning,
};
use std::sync::Arc;
use wgpu::{CommandEncoder, Device, Queue};

/// SparseAdam over parameters in GPU buffers that the caller owns.
///
/// The semantics are those of `torch.optim.SparseAdam`: a step updates the rows that a sparse
/// gradient names, of the parameter and of both moments, and leaves every other row's bits.
/// It is recorded into the caller's encoder; nothing is submitted, waited for or read back.
///
/// Moments are kept in buffers of the library's own, 8 bytes per parameter value (12 with amsgrad, 4 in
/// bf16), made at a
/// parameter's first gradient.
#[derive(Debug)]
pub struct SparseAdam {
    /// Which optimizer of the process it is; its ids carry it.
    pub(crate) number: u64,
    pub(crate) recorder: Recorder,
    pub(crate) defaults: AdamOptions,
    pub(crate) groups: Vec<Group>,
    /// Number of the group that `add_param` adds to, once it has.
    default_group: Option<usize>,
    /// By their ids, in ascending order.
    pub(crate) tables: Vec<Table>,
    /// Ids of parameters that have been given out.
    ids: usize,
    /// Where tables are counted for, and the bytes of all of them.
    pub(crate) statuses: Statuses,
    pub(crate) places: Places,
    /// What to go back to, where a device has not yet said that all it was asked for is there.
    pub(crate) before: Option<Before>,
    /// What the GPU is to know of steps.
    pub(crate) scalars: Option<Scalars>,
    /// An empty list that gradients are exchanged with.
    pub(crate) spare_grads: Vec<Entries>,
    /// Index lists that several parameters were given so far.
    pub(crate) lists: u64,
    pub(crate) pre_hooks: Hooks<Self>,
    pub(crate) post_hooks: Hooks<Self>,
    pub(crate) hooks_made: u64,
}

impl SparseAdam {
    /// An optimizer on `device`, tuned for its adapter, with `defaults` for its groups.
    ///
    /// # Errors
    /// [`Error::InvalidOption`], [`Error::Conflict`]; [`Error::DeviceLimit`] where the device is too small, which none
    /// with `wgpu::Limits::downlevel_defaults()` is; [`Error::OutOfMemory`],
    /// [`Error::DeviceLost`], [`Error::Refused`].
    pub fn new(device: &Device, queue: &Queue, defaults: AdamOptions) -> Result<Self, Error> {
        Self::with_tuning(device, queue, defaults, Tuning::for_adapter(&device.adapter_info()))
    }

    /// As [`SparseAdam::new`], with sizes and arithmetic chosen by the caller. Results depend on the
    /// arithmetic alone.
    ///
    /// # Errors
    /// As [`SparseAdam::new`]; [`Error::InvalidOption`] also for the tuning.
    pub fn with_tuning(
        device: &Device,
        queue: &Queue,
        defaults: AdamOptions,
        tuning: Tuning,
    ) -> Result<Self, Error> {
        defaults.validate()?;
        tuning.validate()?;
        Guard::new(device, queue).alive()?;
        Self::with_kit(&Kit::with_tuning(device, queue, tuning)?, defaults)
    }

    /// As [`SparseAdam::new`], with the device, tuning and pipelines of `kit`, which others may share.
    ///
    /// # Errors
    /// As [`SparseAdam::new`].
    pub fn with_kit(kit: &Kit, defaults: AdamOptions) -> Result<Self, Error> {
        Self::with_family(kit, defaults, &ADAM)
    }

    /// As [`SparseAdam::with_kit`], with other rules.
    pub(crate) fn with_family(
        kit: &Kit,
        defaults: AdamOptions,
        family: &'static Family,
    ) -> Result<Self, Error> {
        defaults.validate()?;
        let guard = Guard::new(&kit.device, &kit.queue);
        guard.alive()?;
        Ok(Self {
            number: next_optimizer(),
            recorder: Recorder::new(Arc::new(guard), kit.clone(), family)?,
            before: None,
            scalars: None,
            spare_grads: Vec::new(),
            lists: 0,
            defaults,
            groups: Vec::new(),
            default_group: None,
            tables: Vec::new(),
            ids: 0,
            statuses: Statuses::default(),
            places: Places::default(),
            pre_hooks: Hooks::default(),
            post_hooks: Hooks::default(),
            hooks_made: 0,
        })
    }

    /// Adds a parameter to the group of those that are added one by one, with the defaults.
    ///
    /// # Errors
    /// [`Error::InvalidShape`], [`Error::BufferTooSmall`], [`Error::MissingUsage`],
    /// [`Error::Misaligned`], [`Error::DuplicateName`], [`Error::TooLarge`],
    /// [`Error::Unsupported`] for formats that do not go together, or not with the options,
    /// [`Error::Overlap`] with another parameter, a gradient that is set, or between parts;
    /// [`Error::InvalidBuffer`] for a buffer that was destroyed or belongs to another device;
    /// [`Error::OutOfMemory`], [`Error::DeviceLost`], [`Error::Refused`].
    pub fn add_param(&mut self, param: Param) -> Result<ParamId, Error> {
        let group = self.default_group.unwrap_or(self.groups.len());
        let options = self.groups.get(group).map_or(self.defaults, |group| group.options);
        self.add_tables(vec![param], &options, group)?;
        if self.default_group.is_none() {
            self.default_group = Some(group);
            self.groups.push(Group { options: self.defaults, initial_lr: None });
        }
        Ok(self.param_id(self.tables.len() - 1))
    }

    /// Adds a group of parameters, at any time. The ids of its parameters are
    /// [`SparseAdam::group_params`], in their order.
    ///
    /// # Errors
    /// [`Error::EmptyGroup`]; [`Error::InvalidOption`], [`Error::Conflict`] for an override; those of
    /// [`SparseAdam::add_param`].
    pub fn add_param_group(&mut self, group: ParamGroup) -> Result<GroupId, Error> {
        let options = group.resolved(self.defaults)?;
        if group.params.is_empty() {
            return Err(Error::EmptyGroup);
        }
        self.add_tables(group.params, &options, self.groups.len())?;
        self.groups.push(Group { options, initial_lr: None });
        Ok(GroupId { optimizer: self.number, index: self.groups.len() - 1 })
    }

    fn add_tables(
        &mut self,
        params: Vec<Param>,
        options: &AdamOptions,
        group: usize,
    ) -> Result<(), Error> {
        self.begin()?;
        let guard = Arc::clone(&self.recorder.guard);
        let mut added: Vec<Table> = Vec::with_capacity(params.len());
        for param in params {
            let on = (self.recorder.shape, self.recorder.family);
            let of = (options, self.reads_scalars(), group);
            let as_one = (self.ids + added.len(), &mut self.statuses);
            let table = Table::new(&guard, on, param, of, as_one)?;
            if self.tables.iter().chain(&added).any(|other| other.name == table.name) {
                return Err(Error::DuplicateName { name: table.name });
            }
            let shared = added.iter().find(|other| table.shares_bytes(other.regions()));
            if let Some(other) = shared {
                return Err(overlap(("parameter", &other.name), ("parameter", &table.name)));
            }
            self.check_place(table.regions(), ("parameter", &table.name), None)?;
            added.push(table);
        }
        self.recorder.witness.check(&guard, added.iter().flat_map(Table::placed))?;
        for (owner, table) in (self.tables.len()..).zip(&added) {
            table.regions().for_each(|region| self.places.take(region, owner));
        }
        self.trust(&[]);
        self.ids += added.len();
        self.tables.append(&mut added);
        Ok(())
    }

    /// Sets a parameter's gradient for the steps until it is set anew or zeroed.
    ///
    /// # Errors
    /// [`Error::UnknownParam`], [`Error::BufferTooSmall`], [`Error::MaybeI64`],
    /// [`Error::MissingUsage`], [`Error::Misaligned`], [`Error::InvalidShape`],
    /// [`Error::TooLarge`], [`Error::Unsupported`]; [`Error::Overlap`] where indices, values,
    /// map and weights share bytes with each other or with any parameter;
    /// [`Error::InvalidBuffer`] for a buffer that was destroyed or belongs to another device;
    /// [`Error::DeviceLost`], [`Error::OutOfMemory`], [`Error::Refused`].
    pub fn set_grad(&mut self, param: ParamId, grad: SparseGrad) -> Result<(), Error> {
        let entries = self.checked_grad(param, grad)?;
        self.set_entries(self.number_of(param)?, entries);
        Ok(())
    }

    /// Adds a gradient to those that a parameter has, as several backward passes before one
    /// step do: the entries follow the earlier ones, as torch concatenates them.
    ///
    /// The value rows of all are copied together when the step runs, so until it is submitted
    /// each gradient needs buffers of its own, whose values also need `BufferUsages::COPY_SRC`.
    ///
    /// # Errors
    /// As [`SparseAdam::set_grad`]; [`Error::Unsupported`] where one of several gradients is
    /// made by [`SparseGrad::of_rows`] or promises uniqueness, or where their values differ in format.
    pub fn accumulate_grad(&mut self, param: ParamId, grad: SparseGrad) -> Result<(), Error> {
        let entries = self.checked_grad(param, grad)?;
        let number = self.number_of(param)?;
        let table = &self.tables[number];
        if let Some(entries) = &entries {
            table.check_added(entries, self.recorder.shape)?;
        }
        let mut grads = std::mem::take(&mut self.spare_grads);
        grads.extend(table.grads.iter().cloned());
        grads.extend(entries);
        self.exchange_grads(number, grads);
        Ok(())
    }

    /// Builds the pipelines and makes the scratch that a step by the gradients that are set needs, so
    /// that the first step does not take the time: compiling a pipeline takes tens of milliseconds.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::OutOfMemory`], [`Error::DeviceLost`], [`Error::Refused`].
    pub fn prepare(&mut self) -> Result<(), Error> {
        self.begin()?;
        self.recorder.prepare(&self.tables)?;
        self.recorder.build()
    }

    /// Records one step of every parameter that has a gradient into `encoder`: one compute
    /// pass, to be submitted by the caller. Later commands of the encoder see its results.
    ///
    /// Host state (step counts) advances now, so submit what was recorded, in order.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::OutOfMemory`], [`Error::DeviceLost`], [`Error::Refused`];
    /// [`Error::InvalidBuffer`] for a buffer of a parameter or gradient that was destroyed since
    /// it was given; then nothing was recorded or counted. Those of hooks.
    ///
    /// In a browser a device tells only later that it has no memory or is lost: then a later
    /// call of the optimizer returns the error, and the steps recorded since are taken back, as
    /// the device has refused the command buffers that they are in.
    pub fn step(&mut self, encoder: &mut CommandEncoder) -> Result<(), Error> {
        self.step_with(encoder, |_, _| Ok(()))
    }

    /// As [`SparseAdam::step`], after `closure`, which records forward and backward, sets
    /// gradients, and whose value is returned (torch: `step(closure)`). Hooks that run before
    /// a step run before the closure, as in torch.
    ///
    /// # Errors
    /// As [`SparseAdam::step`]; the closure's, and then nothing was recorded or counted but
    /// what it did itself.
    pub fn step_with<T, E: From<Error>>(
        &mut self,
        encoder: &mut CommandEncoder,
        closure: impl FnOnce(&mut Self, &mut CommandEncoder) -> Result<T, E>,
    ) -> Result<T, E> {
        self.call_pre_hooks(encoder)?;
        let value = closure(self, encoder)?;
        self.record_step(encoder, None)?;
        self.call_post_hooks(encoder)?;
        Ok(value)
    }

    /// As [`SparseAdam::step`], in a compute pass per stage, with the GPU's clock written before
    /// and after each. The results are the same; the step is slower by what the passes cost.
    ///
    /// # Errors
    /// As [`SparseAdam::step`]; [`Error::Unsupported`], [`Error::TooLarge`] and
    /// [`Error::Refused`] for queries that cannot be written.
    pub fn step_with_timestamps(
        &mut self,
        encoder: &mut CommandEncoder,
        timestamps: Timestamps<'_>,
    ) -> Result<(), Error> {
        self.call_pre_hooks(encoder)?;
        self.record_step(encoder, Some(timestamps))?;
        self.call_post_hooks(encoder)
    }

    /// The parameter of a name.
    pub fn param(&self, name: &str) -> Option<ParamId> {
        let index = self.tables.iter().position(|table| table.name == name);
        index.map(|index| self.param_id(index))
    }

    /// The id of a table.
    pub(crate) fn param_id(&self, index: usize) -> ParamId {
        ParamId { optimizer: self.number, index: self.tables[index].id }
    }

    /// Compute dispatches that the last step recorded.
    pub fn dispatches(&self) -> u32 {
        self.recorder.dispatches
    }

    /// The sizes in use.
    pub fn tuning(&self) -> &Tuning {
        self.recorder.kit.tuning()
    }

    pub(crate) fn table(&self, param: ParamId) -> Result<&Table, Error> {
        Ok(&self.tables[self.number_of(param)?])
    }

    /// Which of the tables a parameter is.
    pub(crate) fn number_of(&self, param: ParamId) -> Result<usize, Error> {
        let (expected, found) = (self.tables.len(), param.index);
        if param.optimizer != self.number {
            return Err(Error::UnknownParam { expected, found });
        }
        let number = self.tables.binary_search_by_key(&found, |table| table.id);
        number.map_err(|_| Error::RemovedParam { found })
    }
}

pub use inspect::RowWindow;
pub use norm::{ClipGradNorm, ClippedStep, NormTotal, NormType};
pub use resources::Resources;
pub use scalars::Scalars;
