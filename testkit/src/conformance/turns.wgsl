// Takes as many loop turns as the planner ever asks of an invocation, nested and successive, and
// leaves a number that only all of them make.

@group(0) @binding(0) var<uniform> turns: vec4<u32>;
@group(0) @binding(1) var<storage, read_write> words: array<u32>;

// A step of a linear congruential generator; what it adds is read, so no turn can be left out.
fn next(state: u32) -> u32 {
    return state * 1664525u + words[state & 7u];
}

@compute @workgroup_size(8)
fn main(@builtin(local_invocation_index) local: u32) {
    var state = local;
    for (var i = 0u; i < turns.x; i++) {
        for (var j = 0u; j < turns.y; j++) {
            state = next(state);
        }
    }
    for (var k = 0u; k < turns.z; k++) {
        state = next(state);
    }
    words[8u + local] = state;
}
