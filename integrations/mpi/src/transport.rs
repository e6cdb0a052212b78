//! How ranks reach one another: all that knows of threads or of MPI.

use crate::Error;

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
    /// arrived first. `send` holds [`Transport::size`] blocks, of any lengths.
    ///
    /// # Errors
    /// [`Error::RankLost`] where a rank is gone.
    fn exchange(&mut self, send: Blocks) -> Result<Blocks, Error>;
}
