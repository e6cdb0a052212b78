// P2: dispatches of one group. `count` adds 1 to its word; `look` writes nothing.

@group(0) @binding(1) var<storage, read_write> counter: array<u32>;
@group(0) @binding(2) var<storage, read> given: array<u32>;

var<private> seen: u32;

@compute @workgroup_size(1)
fn count() {
    counter[0] += config.a;
}

@compute @workgroup_size(1)
fn look() {
    seen = given[config.b];
}
