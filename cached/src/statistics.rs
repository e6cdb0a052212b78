//! What a table's batches moved.

use crate::plan::Planned;

/// What was moved since the table was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Batches loaded.
    pub batches: u64,
    /// Their entries.
    pub entries: u64,
    /// Different rows of batches that were in the cache already.
    pub hits: u64,
    /// Those that were not.
    pub misses: u64,
    /// Bytes to the GPU, of rows that were missing.
    pub bytes_up: u64,
    /// Bytes from the GPU, of rows that had to leave, or were flushed.
    pub bytes_down: u64,
    /// Loads that waited: for the store, or for the device.
    pub waits: u64,
}

impl Statistics {
    pub(crate) fn add(&mut self, plan: &Planned, evicted: usize, record: u64, waits: [bool; 3]) {
        self.batches += 1;
        self.entries += plan.slots.len() as u64;
        self.hits += plan.hits() as u64;
        self.misses += plan.loads.len() as u64;
        self.bytes_up += record * plan.loads.len() as u64;
        self.bytes_down += record * evicted as u64;
        self.waits += u64::from(waits.contains(&true));
    }

    pub(crate) fn flushed(&mut self, bytes: u64) {
        self.bytes_down += bytes;
    }
}

/// For a line of progress: hits among the rows of batches, misses per batch, bytes up and down, waits.
impl std::fmt::Display for Statistics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rows = (self.hits + self.misses).max(1) as f64;
        let per_batch = |number: u64| number as f64 / self.batches.max(1) as f64;
        write!(
            f,
            "{:.1} % of rows hit, {:.0} misses, {:.2} MB up and {:.2} MB down per batch, {} waits",
            100.0 * self.hits as f64 / rows,
            per_batch(self.misses),
            per_batch(self.bytes_up) / 1e6,
            per_batch(self.bytes_down) / 1e6,
            self.waits
        )
    }
}
