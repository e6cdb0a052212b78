// repeats: counts entries of a row named before, where the caller promised that none is.
//
// One invocation per sorted position. Runs only where the promise is to be checked.

override WORKGROUP: u32 = 64u;

@group(0) @binding(0) var<uniform> keys: Keys;
@group(0) @binding(1) var<storage, read> scratch: array<u32>;
@group(0) @binding(2) var<storage, read_write> status: Status;

fn check_position(position: u32) {
    if (position <= keys.first || position >= keys.end) {
        return;
    }
    let key = key_at(position);
    if (key != keys.sentinel && key == key_at(position - 1u)) {
        count_one(REPEATED);
    }
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    begin_counting(local);
    check_position(keys.first + linear_workgroup(workgroup, grid) * WORKGROUP + local);
    end_counting(local);
}
