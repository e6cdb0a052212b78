// P14: words that one lane stores and another of its workgroup loads, with `storageBarrier` between.
// COHERENT is `@coherent`, or nothing.
//
// config: a: turns. wrong[0]: words that were not the ones stored; wrong[1]: words looked at.

@group(0) @binding(1) COHERENT var<storage, read_write> words: array<u32>;
@group(0) @binding(2) var<storage, read_write> wrong: array<atomic<u32>>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let first = 256u * group.x;
    var bad = 0u;
    for (var turn = 0u; turn < config.a; turn++) {
        words[first + local] = (turn * 256u + local) ^ group.x;
        storageBarrier();
        let other = (local + 1u + 37u * turn) & 255u;
        bad += u32(words[first + other] != ((turn * 256u + other) ^ group.x));
        storageBarrier();
    }
    atomicAdd(&wrong[0], bad);
    atomicAdd(&wrong[1], config.a);
}
