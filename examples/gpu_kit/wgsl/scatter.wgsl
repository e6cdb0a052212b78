// P6: stores of 8 bytes in runs, the runs in an order that looks random.
//
// config: a: bits of the number of runs, b: bits of the number of pairs of a run, c: turns,
// d: pairs less one (a power of two less one): a small buffer is gone through more than once.

@group(0) @binding(1) var<storage, read_write> pairs: array<vec2<u32>>;

// One to one on numbers of `bits` bits: each line can be undone.
fn shuffled(number: u32, bits: u32) -> u32 {
    let mask = (1u << bits) - 1u;
    let half = (bits + 1u) / 2u;
    var mixed = number;
    mixed ^= mixed >> half;
    mixed = (mixed * 0x9e3779b1u) & mask;
    mixed ^= mixed >> half;
    mixed = (mixed * 0x85ebca6bu) & mask;
    mixed ^= mixed >> half;
    return mixed;
}

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var turn = 0u; turn < config.c; turn++) {
        let pair = (id.x + turn * 256u * groups.x) & config.d;
        let run = pair >> config.b;
        let place = (shuffled(run, config.a) << config.b) | (pair & ((1u << config.b) - 1u));
        pairs[place] = vec2<u32>(place, pair);
    }
}
