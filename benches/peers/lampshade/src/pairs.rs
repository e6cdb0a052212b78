//! The keys that are sorted: the same on every platform. A key's value is its position.

/// Rows of our table. Its keys are its rows and one more, for entries that name no row.
pub const ROWS: u32 = 1_000_000;
/// Bits of those keys.
pub const KEY_BITS: u32 = u32::BITS - ROWS.leading_zeros();

/// `n` rows, each equally likely: SplitMix64 (Steele, Lea and Flood 2014), started with `n`.
pub fn ids(n: u32) -> Vec<u32> {
    let mut state = u64::from(n);
    let id = |_| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        ((u128::from(mixed) * u128::from(ROWS)) >> 64) as u32
    };
    (0..n).map(id).collect()
}
