//! What a rank has been sent for the next step of a table: gradient after gradient, of each the ranks in their order, as one device
//! that accumulates the gradients of whole batches.

use crate::chunks::{Tally, completed, starts};
use crate::entries::Entries;
use std::ops::Range;

/// Of one table.
#[derive(Debug, Default)]
pub(crate) struct Received {
    entries: Entries,
    runs: Runs,
    /// Gradients so far.
    gradients: u32,
    /// Entries of this rank's own gradients that named no row.
    pub out_of_range: u64,
}

/// Whole chunks and ragged ends, and of which rows they are: parts one behind the other, one of each rank's gradient.
#[derive(Debug, Default)]
struct Runs {
    tallies: Vec<Tally>,
    starts: Vec<Vec<u32>>,
    pieces: Vec<Vec<f32>>,
}

impl Received {
    /// Another gradient begins, of which `out_of_range` entries of this rank named no row.
    pub fn begin(&mut self, out_of_range: u64) {
        self.gradients += 1;
        self.out_of_range += out_of_range;
    }

    /// How many gradients there are.
    pub fn gradients(&self) -> u32 {
        self.gradients
    }

    /// Entries of the next rank.
    pub fn append(&mut self, entries: Entries, dim: usize) {
        self.entries.append(entries, dim);
    }

    /// What the ranks, in their order, have of the gradient; as which parts they are counted.
    pub fn tallied(&mut self, tallies: Vec<Tally>) -> Range<usize> {
        let from = self.runs.tallies.len();
        self.runs.tallies.extend(tallies);
        // Those of the parts before stay as they are.
        self.runs.starts = starts(&self.runs.tallies);
        from..self.runs.tallies.len()
    }

    /// The place in its chunk of the first entry of each row of a part.
    pub fn starts(&self, part: usize) -> &[u32] {
        &self.runs.starts[part]
    }

    /// Value rows that a part travels as.
    pub fn sent(&self, part: usize) -> u64 {
        self.runs.tallies[part].sent(&self.runs.starts[part])
    }

    /// Those of the next part.
    pub fn add_pieces(&mut self, pieces: Vec<f32>) {
        self.runs.pieces.push(pieces);
    }

    /// The entries of the step: what was sent as entries, or the sums of chunks.
    pub fn into_entries(self, dim: usize) -> Entries {
        let Runs { tallies, starts, pieces } = self.runs;
        match tallies[..] {
            [] => self.entries,
            _ => {
                let pieces: Vec<_> = pieces.iter().map(Vec::as_slice).collect();
                completed(&tallies, &starts, &pieces, dim)
            }
        }
    }
}
