// probe: what a device's float arithmetic does, operation by operation, in its own way and behind fences.
//
// Not a stage of a step. Uses the fragments scalar, exact and one_part, whose functions are the fenced
// operations. One invocation per case of four numbers.

struct ProbeConfig {
    cases: u32,
    /// 0, which no compiler knows.
    zero: u32,
    pad0: u32,
    pad1: u32,
}

@group(0) @binding(0) var<uniform> config: ProbeConfig;
@group(0) @binding(1) var<storage, read> cases: array<vec4<u32>>;
/// Bits, `[2, OPERATIONS, cases]`: the device's own, then the fenced.
@group(0) @binding(2) var<storage, read_write> results: array<u32>;

const OPERATIONS: u32 = 8u;

fn store(fenced: u32, operation: u32, index: u32, result: f32) {
    results[(fenced * OPERATIONS + operation) * config.cases + index] = bitcast<u32>(result);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    if (i >= config.cases) {
        return;
    }
    let x = bitcast<f32>(cases[i].x);
    let y = bitcast<f32>(cases[i].y);
    let z = bitcast<f32>(cases[i].z);
    let w = bitcast<f32>(cases[i].w);
    store(0u, 0u, i, x + y);
    store(0u, 1u, i, x - y);
    store(0u, 2u, i, x * y);
    // A product that nothing else needs: one that is stored too, a compiler does not fuse.
    store(0u, 3u, i, y * z + x);
    store(0u, 4u, i, (x + y) - x);
    store(0u, 5u, i, ((x + y) + z) + w);
    store(0u, 6u, i, x / y);
    store(0u, 7u, i, sqrt(x));
    store(1u, 0u, i, add(x, y));
    store(1u, 1u, i, subtract(x, y));
    store(1u, 2u, i, multiply(x, y));
    store(1u, 3u, i, add(multiply(y, z), x));
    store(1u, 4u, i, subtract(add(x, y), x));
    store(1u, 5u, i, add(add(add(x, y), z), w));
    store(1u, 6u, i, quotient(x, y));
    store(1u, 7u, i, root(x));
}
