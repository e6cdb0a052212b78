// Workgroups are dispatched as a grid [x, y], because one axis holds 65,535 at most.
fn linear_workgroup(id: vec3<u32>, grid: vec3<u32>) -> u32 {
    return id.y * grid.x + id.x;
}

/// Stretches that tiles are dealt out to in turn; 1 for neighbouring workgroups side by side.
override SPREAD: u32 = 1u;

// The tile of a workgroup, of `tiles`. A CPU adapter gives each of its threads a stretch of
// neighbouring workgroups; but the rows of one window, or the chunks of one long run, are
// neighbours too, and must not all go to one thread.
fn tile_of(workgroup: u32, tiles: u32) -> u32 {
    let stretch = (tiles + SPREAD - 1u) / SPREAD;
    return (workgroup % stretch) * SPREAD + workgroup / stretch;
}
