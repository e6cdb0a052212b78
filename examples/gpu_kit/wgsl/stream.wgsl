// P4: words in a row, 16 bytes an invocation and turn.
//
// config: a: vec4s of the buffer less one (a power of two less one), b: turns, c: vec4s that each
// turn skips, so that a small buffer is not read from the same cache line again, d: salt.

@group(0) @binding(1) var<storage, read> source: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> filled: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> sums: array<u32>;

fn place(invocation: u32, turn: u32, groups: u32) -> u32 {
    return (invocation + turn * (groups * 256u + config.c)) & config.a;
}

@compute @workgroup_size(256)
fn read_words(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    var sum = vec4<u32>();
    for (var turn = 0u; turn < config.b; turn++) {
        sum += source[place(id.x, turn, groups.x)];
    }
    sums[id.x] = sum.x + sum.y + sum.z + sum.w;
}

// Word `i` becomes `i + salt`.
@compute @workgroup_size(256)
fn write_words(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var turn = 0u; turn < config.b; turn++) {
        let at = place(id.x, turn, groups.x);
        filled[at] = 4u * at + config.d + vec4<u32>(0u, 1u, 2u, 3u);
    }
}

@compute @workgroup_size(256)
fn copy_words(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var turn = 0u; turn < config.b; turn++) {
        let at = place(id.x, turn, groups.x);
        filled[at] = source[at];
    }
}

// An invocation meets its own words only, whatever the turn: `c` is 0.
@compute @workgroup_size(256)
fn modify_words(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var turn = 0u; turn < config.b; turn++) {
        filled[place(id.x, turn, groups.x)] += vec4<u32>(1u);
    }
}
