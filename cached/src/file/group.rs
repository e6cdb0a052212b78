//! Tables of one folder, whose checkpoints are one.

use super::{FileStore, Journal, open, seal};
use crate::store::Init;
use crate::{CachedTable, Error, Layout};
use sparse_adam::SparseAdam;
use std::path::PathBuf;
use std::sync::Arc;

/// Tables in a folder that are checkpointed together: a crash at any byte leaves all of them as the last checkpoint has them,
/// at the steps of that moment.
///
/// ```no_run
/// # use sparse_adam::{ParamId, SparseAdam};
/// # use sparse_adam_cached::{CachedTable, Error, FileGroup};
/// # fn train(device: wgpu::Device, queue: wgpu::Queue, mut adam: SparseAdam, users: ParamId, items: ParamId) -> Result<(), Error> {
/// let group = FileGroup::open("tables")?;
/// let mut users = CachedTable::new(&device, &queue, &mut adam, users, |layout| {
///     group.store("users", 1_000_000_000, layout, |_, _| {})
/// })?;
/// let mut items = CachedTable::new(&device, &queue, &mut adam, items, |layout| {
///     group.store("items", 50_000_000, layout, |_, _| {})
/// })?;
/// // Steps of both.
/// group.checkpoint(&mut adam, [&mut users, &mut items], "model.5000.safetensors")?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct FileGroup {
    pub(super) journal: Arc<Journal>,
}

impl FileGroup {
    /// Opens a folder of tables, or makes it.
    ///
    /// # Errors
    /// [`Error::Io`], also where another process has it open; [`Error::Damaged`] for a manifest that was cut off or altered.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, Error> {
        Ok(Self::on(Arc::new(open(folder.into())?)))
    }

    pub(super) fn on(journal: Arc<Journal>) -> Self {
        Self { journal }
    }

    /// Opens a table as the last checkpoint has it, or makes it: as [`FileStore::open`], under a name of letters, digits, `-`
    /// and `_`, with which its files begin.
    ///
    /// # Errors
    /// As [`FileStore::open`]; [`Error::Unsynced`]; [`Error::Unsupported`] for another name, a table that is open, or a name that another
    /// has in letters of the other case.
    pub fn store(
        &self,
        name: &str,
        rows: u64,
        layout: Layout,
        init: impl Fn(u64, &mut [u8]) + Send + Sync + 'static,
    ) -> Result<FileStore, Error> {
        let may_be = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
        if name.is_empty() || !name.chars().all(may_be) {
            let (what, remedy) = ("such a name of a table", "use letters, digits, - and _");
            return Err(Error::Unsupported { what, remedy });
        }
        FileStore::on(&self.journal, name, (rows, layout), Init::new(init))
    }

    /// Flushes all tables, and makes them as they are now, with the steps that each has counted, its group's options and
    /// `note`, what is found after a crash, in place of the last checkpoint: of all of them, or of none. All tables of the folder
    /// are given. What else there is, a model, is written before under a name of its own, which the note has.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for other tables than those of the folder; as [`CachedTable::flush`]; [`Error::Io`],
    /// [`Error::Damaged`], [`Error::Unsynced`]. The last checkpoint is what is found then. (Where a log could not be set aside to be folded, it is
    /// this one, and the next call tries that again.)
    pub fn checkpoint<'a>(
        &self,
        adam: &mut SparseAdam,
        tables: impl IntoIterator<Item = &'a mut CachedTable<FileStore>>,
        note: &str,
    ) -> Result<(), Error> {
        let mut tables: Vec<_> = tables.into_iter().collect();
        self.check(tables.iter().map(|table| table.store()))?;
        tables.iter_mut().try_for_each(|table| table.flush(adam))?;
        let sealed = tables.iter().map(|table| table.store().seal(table.mark(adam, note)?));
        seal::checkpoint(&self.journal, sealed.collect::<Result<_, _>>()?)
    }

    /// Checks that these are all tables of the folder.
    pub(super) fn check<'a>(
        &self,
        stores: impl Iterator<Item = &'a FileStore>,
    ) -> Result<(), Error> {
        let own = |store: &&FileStore| Arc::ptr_eq(&store.shared.journal, &self.journal);
        let given: Vec<_> = stores.collect();
        let mut found: Vec<_> = given.iter().map(|store| store.shared.name.clone()).collect();
        found.sort_unstable();
        let expected = self.journal.names();
        match found == expected && given.iter().all(own) {
            true => Ok(()),
            false => Err(Error::Mismatch {
                what: "tables of a folder",
                expected: format!("{expected:?}"),
                found: format!("{found:?}"),
            }),
        }
    }
}
