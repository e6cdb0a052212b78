// P7: each load's address is what the load before it gave: its time is the latency.
//
// Line `i` leads to line `(1664525 i + 1013904223) mod lines`: for powers of two, one cycle of all.
// config: a: lines less one, b: words of a line, c: steps.

@group(0) @binding(1) var<storage, read> links: array<u32>;
@group(0) @binding(2) var<storage, read_write> made: array<u32>;
@group(0) @binding(3) var<storage, read_write> position: array<u32>;

var<workgroup> near: array<u32, 1024>;

fn linked(line: u32, mask: u32) -> u32 {
    return (1664525u * line + 1013904223u) & mask;
}

@compute @workgroup_size(64)
fn make(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var line = id.x; line <= config.a; line += 64u * groups.x) {
        made[line * config.b] = linked(line, config.a) * config.b;
    }
}

@compute @workgroup_size(1)
fn storage_memory() {
    var at = position[0];
    for (var step = 0u; step < config.c; step++) {
        at = links[at];
    }
    position[0] = at;
}

@compute @workgroup_size(64)
fn workgroup_memory(@builtin(local_invocation_index) local: u32) {
    for (var line = local; line <= config.a; line += 64u) {
        near[line] = linked(line, config.a);
    }
    workgroupBarrier();
    if (local == 0u) {
        var at = position[0];
        for (var step = 0u; step < config.c; step++) {
            at = near[at];
        }
        position[0] = at;
    }
}
