// Behind the fragments `scalar` and `exact`: the quotient x / y, and the root of x, of each case.

struct Config {
    cases: u32,
    /// 0, which no compiler knows.
    zero: u32,
    pad0: u32,
    pad1: u32,
}

@group(0) @binding(0) var<uniform> config: Config;
@group(0) @binding(1) var<storage, read> cases: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read_write> results: array<vec2<u32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= config.cases) {
        return;
    }
    let x = bitcast<f32>(cases[id.x].x);
    let y = bitcast<f32>(cases[id.x].y);
    results[id.x] = vec2<u32>(bitcast<u32>(quotient_of(x, y)), bitcast<u32>(root_of(x)));
}
