//! How many ranks there are.

use crate::Error;

/// How many ranks there are: at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ranks(u32);

impl Ranks {
    /// Most ranks: a message tells lengths of as many blocks.
    pub const MOST: u32 = 1 << 16;

    /// `count` ranks.
    ///
    /// # Errors
    /// [`Error::RankCount`] for none, or more than [`Ranks::MOST`].
    pub fn new(count: u32) -> Result<Self, Error> {
        match count {
            1..=Self::MOST => Ok(Self(count)),
            _ => Err(Error::RankCount { found: count }),
        }
    }

    /// How many.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }

    pub(crate) fn wide(self) -> u64 {
        self.0.into()
    }
}
