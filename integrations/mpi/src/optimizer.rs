//! The optimizer over ranks: tables, groups, and what every rank must do alike.

mod clipping;
mod gather;
mod giving;
mod lookup;
mod meet;
mod saving;
mod send;
mod step;

use crate::device::Gpu;
use crate::link::Link;
use crate::lookup::Fetch;
use crate::received::Received;
use crate::table::Held;
use crate::{Error, Ranks, ShardedTable, Transport, World};
pub use giving::Giving;
use sparse_adam::{AdamOptions, ClipGradNorm, GroupId, ParamGroup, ParamId, SparseAdam};
use std::collections::BTreeMap;
use wgpu::{Buffer, Device, Queue};

/// What travels of a row that a rank's gradient names several times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Sums {
    /// Every entry. All options.
    #[default]
    Entries,
    /// The sum of each whole chunk of [`CHUNK`](sparse_adam::CHUNK) entries that one rank has, and the other entries as they are:
    /// the same bits, fewer bytes, and the owner of a row that everybody names has little more to receive than the
    /// others; two small exchanges more for each gradient. The host adds: on a device that flushes subnormal numbers,
    /// sums that meet them may differ. Not with [`Clip::Entries`](sparse_adam::Clip) and
    /// [`Reduction::Mean`](sparse_adam::Reduction), which look at entries.
    Chunks,
    /// The sum of all entries that one rank has of a row: the fewest bytes, and **other bits** than one device's, which
    /// depend on the number of ranks and on how the batch is dealt to them; with the same ranks and batches they are
    /// the same in every run, and within what sums in another order make. Not with what [`Sums::Chunks`] does not go with.
    Ranks,
}

/// One rank of an optimizer whose tables are dealt out to ranks: a [`SparseAdam`] over the rank's rows, and what carries
/// entries to the ranks that own their rows.
///
/// [`ShardedOptimizer::add_group`], [`ShardedOptimizer::step`] and [`ShardedOptimizer::gather`] are collective: every
/// rank calls them, in the same order, with the same tables and options; what differs is named
/// ([`Error::Disagree`]). Where one rank's call fails, so do all others ([`Error::Peer`]). The other methods
/// talk to nobody.
#[derive(Debug)]
pub struct ShardedOptimizer<T = World> {
    link: Link<T>,
    ranks: Ranks,
    gpu: Gpu,
    core: SparseAdam,
    tables: Vec<Held>,
    /// Each group as ranks compare it: its tables.
    groups: Vec<(GroupId, String)>,
    sums: Sums,
    clip: Option<ClipGradNorm>,
    /// A buffer for what the norm of all ranks comes of.
    norms: Option<Buffer>,
    /// Steps made so far.
    steps: u64,
    /// What this rank has been sent for the next step, by table.
    received: BTreeMap<usize, Received>,
    /// Calls of `ask` so far.
    asks: u64,
    /// The kernel that looks rows up, once it is needed.
    fetching: Option<Fetch>,
    /// Buffers of rows that were looked up.
    spare: Vec<Buffer>,
    /// The adapter and its driver, which all ranks must have.
    adapter: String,
}

impl<T: Transport> ShardedOptimizer<T> {
    /// The rank of `transport`, whose rows live on `device` in `core`: an optimizer on that device without parameters, made as the
    /// caller likes it (tuning, kit, hooks, scalars; on every rank alike).
    ///
    /// # Errors
    /// [`Error::Unsupported`] where `core` has parameters, or clips gradients by their norm; [`Error::RankCount`].
    pub fn new(
        transport: T,
        (device, queue): (&Device, &Queue),
        core: SparseAdam,
    ) -> Result<Self, Error> {
        let ranks = Ranks::new(transport.size())?;
        if core.params().len() > 0 {
            let what = "an optimizer that has parameters of its own";
            return Err(Error::Unsupported {
                what,
                remedy: "give one without, and add tables here",
            });
        }
        if core.grad_norm_region().is_ok() {
            let what = "an optimizer that clips gradients by a norm of its own";
            let remedy = "have it clip here, by the norm of all ranks (set_clip_grad_norm)";
            return Err(Error::Unsupported { what, remedy });
        }
        let info = device.adapter_info();
        Ok(Self {
            link: Link::new(transport),
            ranks,
            gpu: Gpu { device: device.clone(), queue: queue.clone() },
            core,
            tables: Vec::new(),
            groups: Vec::new(),
            sums: Sums::default(),
            clip: None,
            norms: None,
            steps: 0,
            received: BTreeMap::new(),
            asks: 0,
            fetching: None,
            spare: Vec::new(),
            adapter: format!("{} ({} {})", info.name, info.driver, info.driver_info),
        })
    }

    /// What travels of rows that are named several times (default [`Sums::Entries`]). What was given is forgotten.
    #[must_use]
    pub fn sums(self, sums: Sums) -> Self {
        Self { sums, received: BTreeMap::new(), ..self }
    }

    /// Lets ranks be on adapters of several kinds, or with several drivers, which [`ShardedOptimizer::add_group`] refuses otherwise: for
    /// those that all have the bits of the CPU twin ([`Probe`](sparse_adam::Probe)). On all ranks alike.
    #[must_use]
    pub fn mixed_adapters(self) -> Self {
        Self { adapter: "any adapter".into(), ..self }
    }

    /// This rank.
    pub fn rank(&self) -> u32 {
        self.link.rank()
    }

    /// How many ranks there are.
    pub fn ranks(&self) -> Ranks {
        self.ranks
    }

    /// Adds a group of tables with hyperparameters of their own. Collective. The ids of its tables are
    /// `core().group_params(group)`, in their order; they are this rank's.
    ///
    /// # Errors
    /// Those of [`SparseAdam::add_param_group`] for the rank's rows; [`Error::TooLarge`] for more than 2^32 - 2 rows
    /// on one rank; [`Error::Disagree`], also for ranks on other adapters ([`ShardedOptimizer::mixed_adapters`]);
    /// [`Error::Peer`], [`Error::RankLost`]. No rank has the group then; but where one rank's
    /// device has memory for the tables and then none for adding them, all later collective calls fail.
    pub fn add_group(
        &mut self,
        options: AdamOptions,
        tables: Vec<ShardedTable<'_>>,
    ) -> Result<GroupId, Error> {
        let described = format!("{tables:?}");
        let adapter = &self.adapter;
        let doing = format!("add_group of {described} with {options:?} on {adapter}");
        let checked = tables.iter().try_for_each(ShardedTable::check);
        self.meet(&doing, checked)?;
        let made = self.shards(tables);
        let (shards, params): (Vec<_>, Vec<_>) =
            self.meet("add_group, shards made", made)?.into_iter().unzip();
        let added = self.core.add_param_group(ParamGroup::new(params).options(options));
        let has_added = added.is_ok();
        let met = self.meet("add_group, added", added.map_err(Error::from));
        let group = if has_added { self.link.or_broken(met) } else { met }?;
        self.tables.extend(self.core.group_params(group)?.into_iter().zip(shards));
        self.groups.push((group, described));
        Ok(group)
    }

    fn shards(
        &self,
        tables: Vec<ShardedTable<'_>>,
    ) -> Result<Vec<(crate::table::Shard, sparse_adam::Param)>, Error> {
        let on = (self.rank(), self.ranks);
        tables.into_iter().map(|table| table.shard(&self.gpu, on)).collect()
    }

    /// Changes the hyperparameters of a group, as [`SparseAdam::set_options`]: on every rank alike before the next step.
    ///
    /// # Errors
    /// Those of [`SparseAdam::set_options`].
    pub fn set_options(&mut self, group: GroupId, options: AdamOptions) -> Result<(), Error> {
        Ok(self.core.set_options(group, options)?)
    }

    /// Sets the steps that a table has counted, as [`SparseAdam::set_step_count`]: on every rank alike before the next step.
    ///
    /// # Errors
    /// Those of [`SparseAdam::set_step_count`].
    pub fn set_step_count(&mut self, table: ParamId, steps: u64) -> Result<(), Error> {
        Ok(self.core.set_step_count(table, steps)?)
    }

    /// Brings this rank's rows up to the steps that their tables have counted, as [`SparseAdam::flush`], and submits that.
    ///
    /// # Errors
    /// Those of [`SparseAdam::flush`].
    pub fn flush(&mut self) -> Result<(), Error> {
        let core = &mut self.core;
        Ok(self.gpu.submit(|encoder| core.flush(encoder))?)
    }

    /// The optimizer of this rank's rows, to look at. Row `i` of a table there is the `i`-th of those that this rank
    /// has; a rank without rows of a table has one there that nobody names.
    pub fn core(&self) -> &SparseAdam {
        &self.core
    }

    /// Entries of this rank's gradients of a table that named no row, since it was added.
    ///
    /// # Errors
    /// [`sparse_adam::Error::UnknownParam`].
    pub fn out_of_range(&self, table: ParamId) -> Result<u64, Error> {
        Ok(self.tables[self.number(table)?].1.out_of_range)
    }

    /// The names of tables, to tell the other ranks.
    fn names(&self, numbers: impl Iterator<Item = usize>) -> String {
        let names = numbers.map(|table| &self.tables[table].1.name);
        format!("{:?}", names.collect::<Vec<_>>())
    }

    /// The place of a table among those of this optimizer.
    fn number(&self, table: ParamId) -> Result<usize, Error> {
        // The core knows which ids are its own, and names the others.
        self.core.name(table)?;
        let found = self.tables.iter().position(|(id, _)| *id == table);
        let expected = self.tables.len();
        Ok(found.ok_or(sparse_adam::Error::UnknownParam { expected, found: expected })?)
    }
}
