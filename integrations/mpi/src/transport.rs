//! How ranks reach one another: all that knows of threads or of MPI.

use crate::Error;
use std::time::Duration;

/// How long a rank waits for another, unless it is told otherwise.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(600);

/// What a rank sends to every rank, or has received from every rank: words of 32 bits, by rank.
pub type Blocks = Vec<Vec<u32>>;

/// One rank's end of a group of ranks that exchange words.
///
/// Every rank of the group calls [`Transport::exchange`] equally often; the n-th calls of all ranks are one exchange.
pub trait Transport: Send {
    /// This rank, below [`Transport::size`].
    fn rank(&self) -> u32;

    /// How many ranks there are; at least 1.
    fn size(&self) -> u32;

    /// Sends `send[k]` to rank `k`, this one included, and returns what each rank sent to this one, by rank, whatever
    /// arrived first. `send` holds [`Transport::size`] blocks, of any lengths. `doing` is what this rank is about to do, to tell
    /// where it waits in vain.
    ///
    /// # Errors
    /// [`Error::RankLost`] where a rank is gone; [`Error::Silent`] where one sends nothing, unless that ends the job.
    fn exchange(&mut self, doing: &str, send: Blocks) -> Result<Blocks, Error>;
}
