//! The keys that are sorted: the same on every platform. A key's value is its position.

use sparse_adam_testkit::Rng;

/// Rows of our table. Its keys are its rows and one more, for entries that name no row.
pub const ROWS: u32 = 1_000_000;
/// Bits of those keys.
pub const KEY_BITS: u32 = u32::BITS - ROWS.leading_zeros();

/// `n` rows, each equally likely: SplitMix64, started with `n`.
pub fn ids(n: u32) -> Vec<u32> {
    let mut rng = Rng(u64::from(n));
    (0..n).map(|_| rng.evenly_below(ROWS)).collect()
}
