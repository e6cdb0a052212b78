//! Where rows are while they are not in the cache.

use crate::{Error, Layout};
use std::sync::Arc;

/// A table's rows, as records of [`Layout`].
///
/// Reads come from several threads at once, also while others are written. A row may be read while it is written where nobody
/// wants what is read any more, as its plan was dropped.
/// Of two writes of a row, the later call has begun when the earlier one has returned.
pub trait RowStore: Send + Sync + 'static {
    /// Rows of the table.
    fn rows(&self) -> u64;

    /// What a record is.
    fn layout(&self) -> Layout;

    /// Reads the records of `rows`, each below [`RowStore::rows`], into `records`, one behind the other.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Damaged`]; [`Error::Mismatch`] for more or fewer bytes.
    fn read(&self, rows: &[u64], records: &mut [u8]) -> Result<(), Error>;

    /// Writes the records of `rows`, each named once.
    ///
    /// # Errors
    /// [`Error::Io`]; it may be called again with the same then. [`Error::Mismatch`] for more or fewer bytes.
    fn write(&self, rows: &[u64], records: &[u8]) -> Result<(), Error>;

    /// What the last checkpoint says, where there is one.
    fn mark(&self) -> Option<Mark> {
        None
    }
}

/// Checks that records are as many as rows.
pub(crate) fn check(layout: Layout, rows: &[u64], records: &[u8]) -> Result<(), Error> {
    let expected = rows.len() * layout.bytes();
    match records.len() == expected {
        true => Ok(()),
        false => Err(Error::Mismatch {
            what: "bytes of records",
            expected: format!("{expected} for {} rows", rows.len()),
            found: records.len().to_string(),
        }),
    }
}

/// A store that a process leaves behind.
pub trait Durable: RowStore {
    /// Makes all that was written, and `mark`, what is found after a crash, in place of the last checkpoint.
    ///
    /// # Errors
    /// [`Error::Io`]; the last checkpoint is what is found then.
    fn checkpoint(&self, mark: Mark) -> Result<(), Error>;
}

/// What a checkpoint says beside the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mark {
    /// Steps that the parameter has counted.
    pub steps: u64,
    /// Hyperparameters of its group, as JSON of [`AdamOptions`](sparse_adam::AdamOptions).
    pub options: String,
    /// How the parameter and its state are stored, as JSON of [`Format`](sparse_adam::Format) and
    /// [`StateStorage`](sparse_adam::StateStorage); empty: unknown.
    pub stored: String,
    /// Anything of the caller's: a place in the data, a hash of the model.
    pub note: String,
}

impl Mark {
    /// So many steps, by these options.
    pub fn new(steps: u64, options: impl Into<String>, note: impl Into<String>) -> Self {
        Self { steps, options: options.into(), stored: String::new(), note: note.into() }
    }

    /// Of a parameter that is stored so.
    #[must_use]
    pub fn stored(self, stored: impl Into<String>) -> Self {
        Self { stored: stored.into(), ..self }
    }
}

/// What the weights of a row are before it is first written: given its number and its zeroed bytes. It must give a row
/// the same bytes every time. Moments begin as zeros.
#[derive(Clone)]
pub(crate) struct Init(Arc<Weights>);

type Weights = dyn Fn(u64, &mut [u8]) + Send + Sync;

impl Init {
    pub fn new(init: impl Fn(u64, &mut [u8]) + Send + Sync + 'static) -> Self {
        Self(Arc::new(init))
    }

    /// Makes a row's record.
    pub fn record(&self, layout: Layout, row: u64, record: &mut [u8]) {
        record.fill(0);
        (self.0)(row, &mut record[..layout.weights as usize]);
    }
}

impl std::fmt::Debug for Init {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Init")
    }
}

/// Makes of a function that gives a row's f32 weights one that gives its bytes.
pub fn f32_weights(
    init: impl Fn(u64, &mut [f32]) + Send + Sync + 'static,
) -> impl Fn(u64, &mut [u8]) + Send + Sync + 'static {
    move |row, bytes| {
        let mut weights = vec![0.0; bytes.len() / 4];
        init(row, &mut weights);
        bytes.copy_from_slice(bytemuck::cast_slice(&weights));
    }
}
