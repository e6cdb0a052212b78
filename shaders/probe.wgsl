// probe: what a device's float arithmetic does, operation by operation.
//
// Not a stage of a step. Uses the fragments scalar and one_part, and once exact, once fast: not both in one
// shader, where what they have in common would be computed once, and a product with two uses is not fused.
// One invocation per case of four numbers.

struct ProbeConfig {
    cases: u32,
    /// 0, which no compiler knows.
    zero: u32,
    pad0: u32,
    pad1: u32,
}

@group(0) @binding(0) var<uniform> config: ProbeConfig;
@group(0) @binding(1) var<storage, read> cases: array<vec4<u32>>;
/// Bits, `[OPERATIONS, cases]`.
@group(0) @binding(2) var<storage, read_write> results: array<u32>;

const OPERATIONS: u32 = 9u;

fn store(operation: u32, index: u32, result: f32) {
    results[operation * config.cases + index] = bitcast<u32>(result);
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
    store(0u, i, add(x, y));
    store(1u, i, subtract(x, y));
    store(2u, i, multiply(x, y));
    // No two of these have an operation in common.
    store(3u, i, add(multiply(y, z), x));
    store(4u, i, subtract(add(z, w), z));
    store(5u, i, add(add(add(y, w), x), z));
    store(6u, i, quotient(x, y));
    store(7u, i, root(x));
    // Mesa has been seen to reorder a sum of which another result needs a part.
    store(8u, i, add(add(add(x, y), z), w));
}
