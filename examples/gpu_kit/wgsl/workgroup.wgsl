// P8: what a workgroup does in its own memory. One group. config: a: turns.

override LANES: u32 = 256u;
override STRIDE: u32 = 1u;
/// Addresses less one: a power of two less one.
override ADDRESSES: u32 = 255u;

@group(0) @binding(1) var<storage, read_write> results: array<u32>;

var<workgroup> words: array<u32, 2048>;
var<workgroup> bins: array<atomic<u32>, 256>;

@compute @workgroup_size(LANES)
fn barriers(@builtin(local_invocation_index) local: u32) {
    var turns = 0u;
    for (var turn = 0u; turn < config.a; turn++) {
        workgroupBarrier();
        turns += 1u;
    }
    results[local] = turns;
}

// Eight loads a turn that do not wait for each other.
@compute @workgroup_size(LANES)
fn loads(@builtin(local_invocation_index) local: u32) {
    for (var word = local; word < 2048u; word += LANES) {
        words[word] = word;
    }
    workgroupBarrier();
    var sum = 0u;
    for (var turn = 0u; turn < config.a; turn++) {
        let at = local * STRIDE + turn;
        let pair0 = words[at & 2047u] + words[(at + 257u) & 2047u];
        let pair1 = words[(at + 514u) & 2047u] + words[(at + 771u) & 2047u];
        let pair2 = words[(at + 1028u) & 2047u] + words[(at + 1285u) & 2047u];
        let pair3 = words[(at + 1542u) & 2047u] + words[(at + 1799u) & 2047u];
        sum += (pair0 + pair1) + (pair2 + pair3);
    }
    results[local] = sum;
}

@compute @workgroup_size(LANES)
fn atomics(@builtin(local_invocation_index) local: u32) {
    atomicStore(&bins[local], 0u);
    workgroupBarrier();
    for (var turn = 0u; turn < config.a; turn++) {
        atomicAdd(&bins[(local + turn) & ADDRESSES], 1u);
    }
    workgroupBarrier();
    results[local] = atomicLoad(&bins[local]);
}
