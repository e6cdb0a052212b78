// norm_sum: adds the blocks that `squares` wrote of a table up, with those of all tables of the step.
//
// A workgroup owns TILE sorted positions, and a position is some invocations'. What is added up depends on no order.

override WORKGROUP: u32 = 8u;

struct NormSumConfig {
    keys: Keys,
    /// First word of the block sums `[positions, blocks]`, and blocks per row.
    squares: u32,
    blocks: u32,
    /// 1: no row is named twice, and the positions are not sorted.
    unique: u32,
    /// Positions per workgroup.
    tile: u32,
}

@group(0) @binding(0) var<uniform> config: NormSumConfig;
@group(0) @binding(1) var<storage, read> scratch: array<u32>;
@group(0) @binding(2) var<storage, read_write> state: NormState;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    begin_total(local);
    let first = config.keys.first + linear_workgroup(workgroup, grid) * config.tile;
    let end = min(first + config.tile, config.keys.end);
    let lanes = lanes_of(config.blocks);
    for (var position = first + local / lanes; position < end; position += WORKGROUP / lanes) {
        if (names_row(position, config.keys, config.unique)) {
            let at = config.squares + (position - config.keys.first) * config.blocks;
            // Two per turn: the turns of an invocation are few (`src/step/turns.rs`).
            for (var block = local % lanes; block < config.blocks; block += 2u * lanes) {
                add_to_total(scratch[at + block]);
                if (block + lanes < config.blocks) {
                    add_to_total(scratch[at + block + lanes]);
                }
            }
        }
    }
    end_total(local);
}
