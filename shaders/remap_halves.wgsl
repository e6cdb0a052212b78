// remap_halves: as remap, of a parameter in 16 bits whose rows are odd, so that two of them may share a word.
//
// One invocation per strip of words of the new window, which nobody else writes: each half is taken over where its row
// comes from the old window, and stays as it is where not, as does one behind the last row.

override WORKGROUP: u32 = 64u;

/// Halves `[old_rows, columns]`.
@group(0) @binding(2) var<storage, read_write> old_words: array<u32>;
/// Halves `[rows, columns]`.
@group(0) @binding(3) var<storage, read_write> new_words: array<u32>;

/// The half that a number of the new window is to be; `now`, where its row comes from elsewhere.
fn half_of(number: u32, now: u32) -> u32 {
    let row = number / config.columns;
    if (row >= config.rows) {
        return now;
    }
    let old_row = old_row_of(row);
    if (old_row >= config.old_rows) {
        return now;
    }
    let at = old_row * config.columns + number % config.columns;
    return (old_words[at / 2u] >> (at % 2u * 16u)) & 0xffffu;
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let words = (config.rows * config.columns + 1u) / 2u;
    let first = (linear_workgroup(workgroup, grid) * WORKGROUP + local) * config.strip;
    for (var at = first; at < min(first + config.strip, words); at++) {
        let now = new_words[at];
        let low = half_of(2u * at, now & 0xffffu);
        let high = half_of(2u * at + 1u, now >> 16u);
        new_words[at] = low | (high << 16u);
    }
}
