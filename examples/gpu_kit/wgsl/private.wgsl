// P12: four sums of an invocation in a private array that a loop runs over, as `partial` has them, and
// in variables of their own.
//
// config: a: entries of an invocation, b: invocations.

override SUMS: u32 = 4u;

@group(0) @binding(1) var<storage, read> rows: array<u32>;
@group(0) @binding(2) var<storage, read_write> sums: array<u32>;

@compute @workgroup_size(256)
fn in_array(@builtin(global_invocation_id) id: vec3<u32>) {
    var held: array<u32, 4>;
    for (var entry = 0u; entry < config.a; entry++) {
        for (var column = 0u; column < SUMS; column++) {
            held[column] += rows[(entry * SUMS + column) * config.b + id.x];
        }
    }
    sums[id.x] = held[0] ^ held[1] ^ held[2] ^ held[3];
}

@compute @workgroup_size(256)
fn in_variables(@builtin(global_invocation_id) id: vec3<u32>) {
    var held0 = 0u;
    var held1 = 0u;
    var held2 = 0u;
    var held3 = 0u;
    for (var entry = 0u; entry < config.a; entry++) {
        let at = entry * 4u * config.b + id.x;
        held0 += rows[at];
        held1 += rows[at + config.b];
        held2 += rows[at + 2u * config.b];
        held3 += rows[at + 3u * config.b];
    }
    sums[id.x] = held0 ^ held1 ^ held2 ^ held3;
}
