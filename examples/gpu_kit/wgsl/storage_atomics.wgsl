// P9: atomic additions to storage. config: a: addresses less one (a power of two less one), b: turns.

@group(0) @binding(1) var<storage, read_write> bins: array<atomic<u32>>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    for (var turn = 0u; turn < config.b; turn++) {
        let mixed = (id.x * 0x9e3779b1u + turn) * 0x85ebca6bu;
        atomicAdd(&bins[(mixed >> 12u) & config.a], 1u);
    }
}
