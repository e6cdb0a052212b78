// Copies rows of a table, value by value, as bits: one invocation owns one value.

struct Fetch {
    /// First row of the window that is bound, and its rows.
    first_row: u32,
    rows: u32,
    /// Values of a row.
    dim: u32,
    /// Values to copy: those of all rows that are asked for.
    values: u32,
    /// 1 where two values lie in a word of the table, the first in its low half.
    halves: u32,
}

@group(0) @binding(0) var<uniform> fetch: Fetch;
/// Rows of the table, any of which may lie in another window.
@group(0) @binding(1) var<storage, read> asked: array<u32>;
/// [rows, dim]: the window.
@group(0) @binding(2) var<storage, read> window: array<u32>;
/// [asked, dim], a word for each value.
@group(0) @binding(3) var<storage, read_write> found: array<u32>;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) invocation: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let value = invocation.y * groups.x * 64u + invocation.x;
    if (value >= fetch.values) {
        return;
    }
    // Rows before the window become large numbers.
    let row = asked[value / fetch.dim] - fetch.first_row;
    if (row >= fetch.rows) {
        return;
    }
    let at = row * fetch.dim + value % fetch.dim;
    if (fetch.halves == 1u) {
        found[value] = (window[at >> 1u] >> (16u * (at & 1u))) & 0xffffu;
    } else {
        found[value] = window[at];
    }
}
