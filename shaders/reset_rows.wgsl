// reset_rows: the state of the rows of a list becomes that of a row that no step has named: zero.
//
// One invocation per strip of an entry's row, a piece at a time. Rows that are named twice are written twice, with the same.

struct ResetConfig {
    /// Entries that there may be.
    capacity: u32,
    /// Pieces per row, and how many of them an invocation takes.
    columns: u32,
    strip: u32,
    /// The window of the table that is bound.
    first_row: u32,
    rows: u32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
}

override WORKGROUP: u32 = 64u;

@group(0) @binding(0) var<uniform> config: ResetConfig;
@group(0) @binding(1) var<uniform> count: EntryCount;
/// u32 `[capacity]`.
@group(0) @binding(2) var<storage, read_write> list: array<u32>;
/// `[rows, columns]`.
@group(0) @binding(3) var<storage, read_write> pieces: array<Piece>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let number = linear_workgroup(workgroup, grid) * WORKGROUP + local;
    let strips = (config.columns + config.strip - 1u) / config.strip;
    let entry = number / strips;
    if (entry >= min(count.entries, config.capacity)) {
        return;
    }
    // Before the window, it wraps to behind it.
    let row = list[entry] - config.first_row;
    if (row >= config.rows) {
        return;
    }
    let first = number % strips * config.strip;
    for (var column = first; column < min(first + config.strip, config.columns); column++) {
        pieces[row * config.columns + column] = Piece();
    }
}
