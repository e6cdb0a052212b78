// rows: what each row that a step names has of its own, and the numbers that its columns share.
//
// One invocation per sorted position; the heads of runs whose row lies in the window count.

override WORKGROUP: u32 = 64u;

struct RowsConfig {
    keys: Keys,
    /// The key of the window's first row, and its rows.
    window_key: u32,
    window_rows: u32,
    /// 1: no row is named twice, and the positions are not sorted.
    unique: u32,
    /// 0, which no compiler knows (fragment `exact`).
    zero: u32,
    /// First word of the numbers `[positions, ROW_NUMBERS]`.
    numbers: u32,
    /// First word of the sums of squares `[positions, blocks]`, and how many there are per row; 0 where the rule asks for none.
    squares: u32,
    blocks: u32,
    /// Values per row.
    dim: u32,
}

@group(0) @binding(0) var<uniform> config: RowsConfig;
@group(0) @binding(1) var<uniform> row_rule: RowRule;
@group(0) @binding(3) var<storage, read_write> scratch: array<u32>;

// The mean of a row's squared gradient, whose blocks are summed one after another.
fn mean_square_at(position: u32) -> f32 {
    let first = config.squares + (position - config.keys.first) * config.blocks;
    let end = first + config.blocks;
    var sum = bitcast<f32>(scratch[first]);
    // Two per turn, so that the widest rows stay within the turns of an invocation.
    for (var at = first + 1u; at < end; at += 2u) {
        sum = add(sum, bitcast<f32>(scratch[at]));
        if (at + 1u < end) {
            sum = add(sum, bitcast<f32>(scratch[at + 1u]));
        }
    }
    return quotient(sum, float_of(config.dim));
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let position = config.keys.first + linear_workgroup(workgroup, grid) * WORKGROUP + local;
    if (is_skipped() || !is_head(position)) {
        return;
    }
    var mean_square = 0f;
    if (config.blocks > 0u) {
        mean_square = mean_square_at(position);
    }
    let numbers = update_row_state(key_at(position) - config.window_key, mean_square);
    let first = config.numbers + (position - config.keys.first) * ROW_NUMBERS;
    for (var i = 0u; i < ROW_NUMBERS; i++) {
        scratch[first + i] = bitcast<u32>(numbers[i]);
    }
}
