// repeats: counts entries of a row named before, where the caller promised that none is.
//
// One invocation a sorted position. Runs only where the promise is to be checked.

override WORKGROUP: u32 = 64u;

struct RepeatsConfig {
    /// The table's sorted positions are [first, end).
    first: u32,
    end: u32,
    /// The table's sentinel key.
    sentinel: u32,
    pad0: u32,
}

@group(0) @binding(0) var<uniform> config: RepeatsConfig;
@group(0) @binding(1) var<storage, read> sorted: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read_write> status: Status;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let position = config.first + linear_workgroup(workgroup, grid) * WORKGROUP + local;
    if (position <= config.first || position >= config.end) {
        return;
    }
    let key = sorted[position].x;
    if (key != config.sentinel && key == sorted[position - 1u].x) {
        count_one(REPEATED);
    }
}
