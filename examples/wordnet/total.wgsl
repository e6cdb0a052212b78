// Adds the losses of a batch to the running total: one workgroup, in a fixed order, so that
// the same losses give the same bits.

const WORKGROUP = 64u;

struct Batch {
    pairs: u32,
    scale: f32,
}

@group(0) @binding(0) var<uniform> batch: Batch;
/// [pairs]
@group(0) @binding(1) var<storage, read> losses: array<f32>;
@group(0) @binding(2) var<storage, read_write> total: f32;

var<workgroup> sums: array<f32, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(local_invocation_index) local: u32) {
    var sum = 0.0;
    for (var pair = local; pair < batch.pairs; pair += WORKGROUP) {
        sum += losses[pair];
    }
    sums[local] = sum;
    workgroupBarrier();
    if (local == 0u) {
        sum = 0.0;
        for (var i = 0u; i < WORKGROUP; i++) {
            sum += sums[i];
        }
        total += sum;
    }
}
