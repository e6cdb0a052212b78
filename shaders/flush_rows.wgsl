// flush_rows: writes down of rows that were behind that they are up to date.
//
// One invocation per row.

override WORKGROUP: u32 = 64u;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let row = linear_workgroup(workgroup, grid) * WORKGROUP + local;
    if (row < config.rows && load_row(row, ROW_PREV_ITER) != 0u) {
        store_row(row, ROW_PREV_ITER, row_rule.step);
    }
}
