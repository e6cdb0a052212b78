// P10 and P15: groups of a fixed length. MEMORY is the words of workgroup memory of one.
//
// config: a: turns, b: words that are chased less one (a power of two less one).

override LANES: u32 = 256u;

@group(0) @binding(1) var<storage, read_write> results: array<u32>;

var<workgroup> near: array<u32, MEMORY>;

// Four chains of integers an invocation: a core has no turn left for a second group.
@compute @workgroup_size(LANES)
fn issue(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    var chains = vec4<u32>(local, local + 1u, local + 2u, local + 3u);
    for (var turn = 0u; turn < config.a; turn++) {
        chains = chains * 1664525u + 1013904223u;
        chains ^= chains >> vec4<u32>(7u);
        chains = chains * 1664525u + 1013904223u;
        chains ^= chains >> vec4<u32>(7u);
    }
    results[group.x * LANES + local] = chains.x ^ chains.y ^ chains.z ^ chains.w;
}

// One invocation chases through workgroup memory, the others wait: a core has room for more.
@compute @workgroup_size(LANES)
fn wait(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    for (var line = local; line <= config.b; line += LANES) {
        near[line] = (1664525u * line + 1013904223u) & config.b;
    }
    workgroupBarrier();
    var at = 0u;
    if (local == 0u) {
        for (var turn = 0u; turn < config.a; turn++) {
            at = near[at];
        }
        near[0] = at;
    }
    workgroupBarrier();
    results[group.x * LANES + local] = near[0] + local;
}
