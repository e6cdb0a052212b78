// Copies rows of a table, as bits: one invocation owns a piece of a row.
//
// Before it comes one of `piece_*`, which declares `Piece` and `piece_at(at)`, the window's piece with a number.

struct Fetch {
    /// First row of the window that is bound.
    first_row: u32,
    /// Pieces of a row.
    pieces: u32,
    /// First of the window's among the rows that are asked for, and pieces to copy.
    first: u32,
    count: u32,
}

/// A row of the table, which lies in the window, and its place among those that are found.
struct Asked {
    row: u32,
    place: u32,
}

@group(0) @binding(0) var<uniform> fetch: Fetch;
@group(0) @binding(1) var<storage, read> asked: array<Asked>;
/// The window: `[rows, pieces]`, of values of 16 bits two in one.
@group(0) @binding(2) var<storage, read> window: array<Piece>;
/// `[found, pieces]`.
@group(0) @binding(3) var<storage, read_write> found: array<Piece>;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) invocation: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let number = invocation.y * groups.x * 64u + invocation.x;
    if (number >= fetch.count) {
        return;
    }
    let row = asked[fetch.first + number / fetch.pieces];
    let piece = number % fetch.pieces;
    found[row.place * fetch.pieces + piece] = piece_at((row.row - fetch.first_row) * fetch.pieces + piece);
}
