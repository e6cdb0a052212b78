// Which tile a workgroup takes.

/// Stretches that tiles are dealt out to in turn; 1 for neighbouring workgroups side by side.
override INTERLEAVE: u32 = 1u;

// The tile of a workgroup, of `tiles`; `tiles` or more where there is none left for it. A CPU
// adapter gives each of its threads a stretch of neighbouring workgroups; but the rows of one
// window, or the chunks of one long run, are neighbours too, and must not all go to one thread.
fn tile_of(workgroup: u32, tiles: u32) -> u32 {
    let stretch = (tiles + INTERLEAVE - 1u) / INTERLEAVE;
    // A folded grid has more workgroups than are needed, and no tile may be taken twice.
    if (workgroup >= stretch * INTERLEAVE) {
        return tiles;
    }
    return (workgroup % stretch) * INTERLEAVE + workgroup / stretch;
}
