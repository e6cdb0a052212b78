//! A parameter of an optimizer, with its state and its gradient.

mod arena;
mod demand;
mod place;
mod pools;
mod sharing;
mod state;

pub(crate) use arena::Statuses;
pub(crate) use place::Lain;
pub(crate) use state::State;

use crate::entries::{Entries, check_value_bytes};
use crate::format::{RowBytes, Storage};
use crate::guard::Guard;
use crate::options::Group;
use crate::param::Geometry;
use crate::rule::{Family, Rule};
use crate::step::record::StepOf;
use crate::step::shape::DeviceShape;
use crate::step::witness::Given;
use crate::{AdamOptions, Clip, Error, Format, Param, Region, Status};
use wgpu::{Buffer, BufferUsages};

/// A run of rows that is bound at once.
#[derive(Clone, Debug)]
pub(crate) struct TableWindow {
    pub first_row: u32,
    pub rows: u32,
    /// The parameter's bytes.
    pub region: Region,
}

/// What a table's steps need beside its state; made when a gradient first needs it.
/// A clone is another handle to the same buffers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extras {
    /// Entry counts that the GPU wrote, one a gradient: uniform buffers.
    pub counts: Vec<Buffer>,
    /// The value rows of several gradients, one behind the other.
    pub gathered: Option<Buffer>,
    /// What is counted of an index list that other tables have too.
    pub tally: Option<Buffer>,
}

/// A parameter of an optimizer.
#[derive(Debug)]
pub(crate) struct Table {
    /// What its parameter's id has: another number for each that an optimizer ever had, in ascending order.
    pub id: usize,
    pub name: String,
    pub shape: Vec<u32>,
    pub geometry: Geometry,
    pub rule: Rule,
    /// The bits of what its entries are clipped to, where they are.
    pub limit: Option<u32>,
    /// The bits of what a row's sum is multiplied by.
    pub grad_scale: u32,
    pub storage: Storage,
    pub row_bytes: RowBytes,
    /// Whether the caller keeps its rows in several regions.
    pub in_parts: bool,
    pub windows: Vec<TableWindow>,
    /// What its rows draw random bits by, u32 `[rows]`; None: by their place.
    pub numbers: Option<Region>,
    /// How often all its rows were brought up to date.
    pub flushes: u64,
    /// Number of its parameter group.
    pub group: usize,
    pub status: Region,
    /// None until its first gradient, as in torch.
    pub state: Option<State>,
    /// Whether it has a gradient: a step counts, even where no gradient has entries.
    pub has_grad: bool,
    /// Its gradients that have entries, in order; empty where it has none.
    pub grads: Vec<Entries>,
    pub extras: Extras,
}

impl Table {
    /// Checks a parameter and makes it a table of group number `group`, whose hyperparameters are `options`, of
    /// an optimizer that has scalars on the GPU, or none.
    pub fn new(
        guard: &Guard,
        (shape, family): (DeviceShape, &'static Family),
        param: Param,
        (options, scalars, group): (&AdamOptions, bool, usize),
        (id, statuses): (usize, &mut Statuses),
    ) -> Result<Self, Error> {
        let geometry = param.geometry()?;
        let rule = Rule::of(family, options, scalars);
        let storage = param.storage;
        storage.check(options)?;
        let row_bytes = RowBytes::of(geometry.dim, storage, rule);
        let windows = place::cut_windows(&param, geometry, row_bytes, shape)?;
        let in_parts = param.parts(geometry)?.len() > 1;
        Ok(Self {
            id,
            name: param.name,
            shape: param.shape,
            geometry,
            rule,
            limit: limit_of(options),
            grad_scale: (options.grad_scale as f32).to_bits(),
            storage,
            row_bytes,
            in_parts,
            windows,
            numbers: None,
            flushes: 0,
            group,
            status: statuses.take(guard, shape)?,
            state: None,
            has_grad: false,
            grads: Vec::new(),
            extras: Extras::default(),
        })
    }

    /// Takes over hyperparameters, whose rule has the same state.
    pub fn follow(&mut self, options: &AdamOptions, scalars: bool) {
        self.rule = Rule::of(self.rule.family, options, scalars);
        self.limit = limit_of(options);
        self.grad_scale = (options.grad_scale as f32).to_bits();
    }

    /// What its step number `number` does, by the options of its group.
    pub fn step_of(&self, groups: &[Group], number: u64) -> StepOf {
        let seed = self.state.as_ref().and_then(|state| state.rounding.drawn_from());
        let (rule, group) = (self.rule, self.group);
        let options = groups[group].options;
        StepOf { rule, group, options, number, seed: seed.unwrap_or_default() }
    }

    /// The regions that hold the parameter.
    pub fn regions(&self) -> impl Iterator<Item = &Region> + Clone {
        self.windows.iter().map(|window| &window.region)
    }

    /// Whether the parameter has bytes of one of `others`.
    pub fn shares_bytes<'a>(&self, mut others: impl Iterator<Item = &'a Region>) -> bool {
        others.any(|other| self.regions().any(|region| region.overlaps(other)))
    }

    /// The regions that hold the parameter, each with the parameter's name and its role.
    pub fn placed(&self) -> impl Iterator<Item = Given<'_>> + Clone {
        self.windows.iter().map(|window| (self.name.as_str(), "parameter", &window.region))
    }

    /// How the values of its gradients are stored.
    pub fn value_format(&self) -> Format {
        self.grads.first().map_or_else(Format::default, |grad| grad.value_format)
    }

    /// Bytes per value row.
    pub fn value_row_bytes(&self) -> u64 {
        self.value_format().bytes(self.geometry.dim.into())
    }

    /// Value rows that a gradient takes among those of all: such that the next begins at a word.
    pub fn value_rows_of(&self, grad: &Entries) -> u64 {
        let rows = u64::from(grad.value_rows(self.geometry));
        let bytes = grad.value_format.bytes(self.geometry.dim.into());
        if bytes.is_multiple_of(4) { rows } else { rows.next_multiple_of(2) }
    }

    /// Value rows of all its gradients.
    pub fn value_rows(&self) -> u64 {
        match &*self.grads {
            [grad] => grad.value_rows(self.geometry).into(),
            grads => grads.iter().map(|grad| self.value_rows_of(grad)).sum(),
        }
    }

    /// Checks that `grad` can be added to those that are set.
    pub fn check_added(&self, grad: &Entries, device: DeviceShape) -> Result<(), Error> {
        let set = &self.grads;
        if set.is_empty() {
            return Ok(());
        }
        if grad.stands_alone() || set.iter().any(Entries::stands_alone) {
            return Err(Error::Unsupported {
                what: "accumulating a gradient of rows, or one with a promise of uniqueness",
                remedy: "use SparseGrad::new with Duplicates::Summed, or set_grad",
            });
        }
        if set.iter().any(|set| set.value_format != grad.value_format) {
            return Err(Error::Unsupported {
                what: "accumulating gradients whose values differ in format",
                remedy: "give all gradients of a step one format",
            });
        }
        let rows: u64 = set.iter().chain([grad]).map(|grad| self.value_rows_of(grad)).sum();
        let entries: u64 = set.iter().chain([grad]).map(|grad| u64::from(grad.nnz)).sum();
        let what = format!("accumulated gradients of {:?}", self.name);
        let limit = i32::MAX as u64;
        if rows.max(entries) > limit {
            let remedy = "step before accumulating more";
            return Err(Error::TooLarge { what, found: rows.max(entries), limit, remedy });
        }
        let row_bytes = grad.value_format.bytes(self.geometry.dim.into());
        check_value_bytes(&what, rows as u32, row_bytes, device)?;
        let expected = wgpu::BufferUsages::COPY_SRC;
        for grad in set.iter().chain([grad]) {
            let found = grad.values.buffer().usage();
            if !found.contains(expected) {
                return Err(Error::MissingUsage { what, expected, found });
            }
        }
        Ok(())
    }

    /// Checks that it may count one more step, where rows remember its number.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub fn check_steps(&self) -> Result<(), Error> {
        let (steps, limit) =
            (self.state.as_ref().map_or(0, |state| state.step), self.rule.most_steps());
        if !self.has_grad || self.rule.behind(0).is_none() || steps < limit {
            return Ok(());
        }
        let (what, found) = (format!("steps of {:?}", self.name), steps + 1);
        Err(Error::TooLarge { what, found, limit, remedy: "set its count back: set_step_count" })
    }

    /// Its extras with room for what its gradients need beside the shared scratch; None where it is
    /// there.
    ///
    /// # Errors
    /// As [`Guard::buffer`].
    pub fn more_extras(&self, guard: &Guard) -> Result<Option<Extras>, Error> {
        let grads = &self.grads;
        let counted = grads.iter().any(|grad| grad.count.is_some());
        let counts = if counted { grads.len() } else { 0 };
        let bytes = match grads.len() {
            0 | 1 => 0,
            _ => self.value_rows() * self.value_row_bytes(),
        };
        let held = self.extras.gathered.as_ref().map_or(0, Buffer::size);
        // Any table that has a list may be the first that does.
        let no_tally = self.shared_list().is_some() && self.extras.tally.is_none();
        if self.extras.counts.len() >= counts && held >= bytes && !no_tally {
            return Ok(None);
        }
        let mut extras = self.extras.clone();
        if no_tally {
            extras.tally = Some(guard.storage("sparse_adam::tally", Status::BYTES)?);
        }
        while extras.counts.len() < counts {
            let usage = BufferUsages::UNIFORM | BufferUsages::COPY_DST;
            extras.counts.push(guard.buffer("sparse_adam::count", 16, usage)?);
        }
        if held < bytes {
            extras.gathered = Some(guard.storage("sparse_adam::gathered", bytes)?);
        }
        Ok(Some(extras))
    }

    /// What the caller gave that a step of it uses: nothing, where it has no entries.
    pub fn given(&self) -> impl Iterator<Item = Given<'_>> + Clone {
        let placed = self.placed().filter(|_| !self.grads.is_empty());
        let numbers = self.numbers.iter().filter(|_| !self.grads.is_empty());
        let numbers = numbers.map(|region| ("row numbers", region));
        let roles = self.grads.iter().flat_map(Entries::given).chain(numbers);
        placed.chain(roles.map(|(role, region)| (self.name.as_str(), role, region)))
    }
}

/// What entries are clipped to, before the gradient is scaled.
pub(crate) fn limit_of(options: &AdamOptions) -> Option<u32> {
    match options.clip {
        Clip::Entries(limit) => Some(((limit / options.grad_scale) as f32).to_bits()),
        Clip::None | Clip::Value(_) => None,
    }
}
