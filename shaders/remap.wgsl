// remap: rows of a new table take those that they come from, of the parameter or of its state.
//
// One invocation per strip of a row, a piece at a time: bits, of whatever they are. A row that comes from no row of the old
// window stays as it is, so a dispatch per old window makes the whole.

override WORKGROUP: u32 = 64u;

/// `[old_rows, columns]`.
@group(0) @binding(2) var<storage, read_write> old_pieces: array<Piece>;
/// `[rows, columns]`.
@group(0) @binding(3) var<storage, read_write> new_pieces: array<Piece>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let number = linear_workgroup(workgroup, grid) * WORKGROUP + local;
    let strips = (config.columns + config.strip - 1u) / config.strip;
    let row = number / strips;
    if (row >= config.rows) {
        return;
    }
    let old_row = old_row_of(row);
    if (old_row >= config.old_rows) {
        return;
    }
    let first = number % strips * config.strip;
    let end = min(first + config.strip, config.columns);
    let from_at = old_row * config.columns;
    let to_at = row * config.columns;
    for (var column = first; column < end; column++) {
        new_pieces[to_at + column] = old_pieces[from_at + column];
    }
}
