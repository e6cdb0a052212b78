// P11: the same sum as a loop, whose end only data tells, and with eight turns written out.
//
// config: a: words of an invocation, a multiple of 8, b: invocations, so the distance of its words.

@group(0) @binding(1) var<storage, read> words: array<u32>;
@group(0) @binding(2) var<storage, read_write> sums: array<u32>;

@compute @workgroup_size(256)
fn looped(@builtin(global_invocation_id) id: vec3<u32>) {
    var sum = 0u;
    for (var word = 0u; word < config.a; word++) {
        sum += words[word * config.b + id.x];
    }
    sums[id.x] = sum;
}

@compute @workgroup_size(256)
fn written_out(@builtin(global_invocation_id) id: vec3<u32>) {
    var sum = 0u;
    for (var word = 0u; word < config.a; word += 8u) {
        let at = word * config.b + id.x;
        let word0 = words[at];
        let word1 = words[at + config.b];
        let word2 = words[at + 2u * config.b];
        let word3 = words[at + 3u * config.b];
        let word4 = words[at + 4u * config.b];
        let word5 = words[at + 5u * config.b];
        let word6 = words[at + 6u * config.b];
        let word7 = words[at + 7u * config.b];
        sum += word0 + word1 + word2 + word3 + word4 + word5 + word6 + word7;
    }
    sums[id.x] = sum;
}
