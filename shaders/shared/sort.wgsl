// One pass of the stable least-significant-digit radix sort.

struct SortConfig {
    /// Pairs to sort.
    count: u32,
    /// Lowest key bit of this pass's digit.
    shift: u32,
    /// Number of digit values, a power of two.
    radix: u32,
    /// Tiles the pairs are cut into, and pairs per tile (the last may hold fewer).
    tiles: u32,
    tile_size: u32,
    /// 1: there is no scan; scatter adds up the tiles' counts itself.
    fused: u32,
    /// Of the serial form: where words of the histogram tell of each tile whether it is out of order, and, behind them, whether
    /// any is.
    order: u32,
    /// Of the serial form: FIRST, FIRST_AND_MOVES or LATER.
    pass_kind: u32,
    /// Of the parallel form: this pass's first word of the histogram. Where passes count ahead, that of the next pass, with its
    /// shift and its radix, which is 0 where there is none.
    first: u32,
    next_first: u32,
    next_shift: u32,
    next_radix: u32,
    /// And how many words from the next pass's on, those of all later passes, the first clears.
    clear_words: u32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
}

fn digit_of(key: u32, config: SortConfig) -> u32 {
    return (key >> config.shift) & (config.radix - 1u);
}

// The histogram is digit-major, `[radix, tiles]` counts, then `[radix]` totals; or, where scatter reads all of it,
// tile-major, `[tiles, radix]` counts.
fn histogram_at(digit: u32, tile: u32, config: SortConfig) -> u32 {
    let at = select(digit * config.tiles + tile, tile * config.radix + digit, config.fused == 1u);
    return config.first + at;
}

fn total_at(digit: u32, config: SortConfig) -> u32 {
    return config.first + config.radix * config.tiles + digit;
}
