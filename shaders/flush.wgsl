// flush: brings the values of rows that are behind up to the steps counted.
//
// One invocation per strip of a row's values. `flush_rows`, which comes after it, writes down that they are.

override WORKGROUP: u32 = 64u;

/// `[rows, dim]` of the window.
@group(0) @binding(3) var<storage, read_write> param: array<f32>;
/// `[rows, FIELDS, dim]` of the window.
@group(0) @binding(4) var<storage, read_write> state: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let number = linear_workgroup(workgroup, grid) * WORKGROUP + local;
    let strips = (config.dim + config.strip - 1u) / config.strip;
    let row = number / strips;
    if (row >= config.rows || load_row(row, ROW_PREV_ITER) == 0u) {
        return;
    }
    let behind = behind_since(load_row(row, ROW_PREV_ITER));
    let first = number % strips * config.strip;
    for (var column = first; column < min(first + config.strip, config.dim); column++) {
        catch_up_value(row, column, behind);
    }
}
