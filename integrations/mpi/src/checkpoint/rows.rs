//! One rank's rows, found among those of ranks that may have been more or fewer, and dealt otherwise.

use super::index::{Index, TableEntry};
use super::shard::{Opened, parts};
use crate::assign::Deal;
use crate::{Assign, Ranks};
use sparse_adam::Error;

/// The words of each tensor of a table that are rows of `rank` in `deal`, in the order of its rows. Reads no more than it must
/// of blocks, and all of what is dealt otherwise; it takes memory for the rank's own rows and 1 MiB.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn own_rows(
    (index, files): (&Index, &mut [Opened]),
    (number, old): (usize, Ranks),
    (deal, rank): (Deal, u32),
) -> Result<Vec<Vec<u32>>, Error> {
    let entry: &TableEntry = &index.tables[number];
    let old = entry.deal(old);
    let widths = std::iter::once(entry.dim());
    let widths =
        widths.chain(entry.state.iter().flat_map(|s| &s.tensors).map(|tensor| tensor.width));
    let mut tensors = Vec::new();
    for (tensor, width) in widths.enumerate() {
        let mut own = vec![0u32; (deal.rows_of(rank) * width) as usize];
        for file in files.iter_mut() {
            let source = file.rank;
            for part in parts(old.rows_of(source), width) {
                let row = |local| old.row(source, local);
                // Rows ascend within a file.
                if deal.assign == Assign::Block
                    && deal.before(rank, row(part.start))
                        == deal.before(rank, row(part.end - 1) + 1)
                {
                    continue;
                }
                let words = file.rows((number, tensor), part.clone())?;
                for (local, words) in part.zip(words.chunks_exact(width as usize)) {
                    let (owner, place) = deal.place(row(local));
                    if owner == rank {
                        own[(place * width) as usize..][..width as usize].copy_from_slice(words);
                    }
                }
            }
        }
        tensors.push(own);
    }
    Ok(tensors)
}
