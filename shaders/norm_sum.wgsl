// norm_sum: adds the blocks that `squares` wrote of a table up, with those of all tables of the step.
//
// A workgroup owns TILE sorted positions, LANES invocations a position. What is added up depends on no order.

override WORKGROUP: u32 = 8u;
/// Invocations that share one position; a power of two, at most WORKGROUP.
override LANES: u32 = 1u;

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
    for (var position = first + local / LANES; position < end; position += WORKGROUP / LANES) {
        if (names_row(position, config.keys, config.unique)) {
            let at = config.squares + (position - config.keys.first) * config.blocks;
            // Two per turn: the turns of an invocation are few (`src/step/turns.rs`).
            for (var block = local % LANES; block < config.blocks; block += 2u * LANES) {
                add_to_total(scratch[at + block]);
                if (block + LANES < config.blocks) {
                    add_to_total(scratch[at + block + LANES]);
                }
            }
        }
    }
    end_total(local);
}
