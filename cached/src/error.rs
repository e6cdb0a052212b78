//! What can go wrong, each with its remedy.

use std::io;

/// What a call of this crate may return. One that does has changed nothing, unless it says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// This batch and the one before it do not fit into the cache together. A step cannot be split, as it would count
    /// twice.
    #[error(
        "the cache has {slots} slots, but this batch and the one before it name {needed} rows: give the parameter \
         more rows, or the batches fewer"
    )]
    CacheTooSmall {
        /// Different rows of both.
        needed: usize,
        /// Slots of the cache.
        slots: usize,
    },
    /// A batch names a row that the table does not have.
    #[error("row {row} is named, but the table has {rows}: ids are rows, from 0")]
    RowOutOfRange {
        /// The row.
        row: u64,
        /// Rows of the table.
        rows: u64,
    },
    /// A plan was made before the last batch was loaded, or for another table.
    #[error(
        "a plan that another load has overtaken: plan after the load before, and load each plan once"
    )]
    StalePlan,
    /// Commands that an earlier call recorded have not been submitted: two seconds after all that was is done, the device has not
    /// called back. (A thread of the caller's that polls the device may be that late with what it was told.)
    #[error(
        "what {what} recorded was not submitted: submit encoders in the order in which they were recorded"
    )]
    NotSubmitted {
        /// Which call.
        what: &'static str,
    },
    /// The device refused a submission that had what [`CachedTable::load`](crate::CachedTable::load) recorded, because of
    /// anything in it: what the cache has is not what the table takes it for. Nothing of it is written any more. Make the table
    /// anew, from the store's last checkpoint.
    #[error(
        "a submission with what CachedTable::load recorded was refused: make the table anew, from its store's last checkpoint"
    )]
    LoadRefused,
    /// The optimizer's state of the parameter, its buffer, or what its rows draw random bits by, is another one than when the
    /// table was made.
    #[error(
        "the parameter's buffer, its state or its rows' numbers were replaced (load_state_dict, replace_param, \
         set_row_numbers): make the table anew"
    )]
    Replaced,
    /// [`SparseAdam::flush`](sparse_adam::SparseAdam::flush) has brought the rows in the cache up to date, which it does not
    /// know others than.
    #[error(
        "SparseAdam::flush brought the rows in the cache up to date and not those in the store: go back to the last \
         checkpoint, and call CachedTable::catch_up in its place"
    )]
    FlushedAlone,
    /// What a cache cannot do with the bits of a resident table.
    #[error("{what} cannot be cached: {remedy}")]
    Unsupported {
        /// What.
        what: &'static str,
        /// What to do about it.
        remedy: &'static str,
    },
    /// A store of other records or rows than it is asked for.
    #[error(
        "{what}: expected {expected}, found {found}: open the store with what it was made with"
    )]
    Mismatch {
        /// What of it.
        what: &'static str,
        /// What was asked for.
        expected: String,
        /// What it has.
        found: String,
    },
    /// The system refused to read or write.
    #[error("{what}: {source}")]
    Io {
        /// Which file, and what was done to it.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not what was written: it was cut off or altered.
    #[error("{file} is damaged: {reason}; go back to a copy of the folder")]
    Damaged {
        /// Its name.
        file: String,
        /// What is wrong with it, and where.
        reason: String,
    },
    /// Bringing a file to the disk has failed before, so nobody knows what of it is there: nothing more is checkpointed, folded or
    /// opened until the folder is opened anew.
    #[error(
        "{file} may not be on the disk, as bringing it there failed: open the folder anew; it has the last checkpoint, or the one \
         that failed"
    )]
    Unsynced {
        /// Its name.
        file: String,
    },
    /// What the optimizer or the device says.
    #[error(transparent)]
    Adam(#[from] sparse_adam::Error),
}

impl Error {
    /// An error of the system, with what was done.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
