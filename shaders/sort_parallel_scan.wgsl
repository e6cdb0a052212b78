// sort_parallel_scan: turns each digit's tile counts into an exclusive prefix over tiles and
// writes the digit's total; one workgroup owns one digit.

override WORKGROUP: u32 = 256u;

@group(0) @binding(0) var<uniform> config: SortConfig;
@group(0) @binding(1) var<storage, read_write> histogram: array<u32>;

var<workgroup> sums: array<u32, 256>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let digit = workgroup.x;
    var before = 0u;
    for (var start = 0u; start < config.tiles; start += WORKGROUP) {
        let tile = start + local;
        let at = histogram_at(digit, tile, config);
        var digits = 0u;
        if (tile < config.tiles) {
            digits = histogram[at];
        }
        sums[local] = digits;
        scan_sums(local);
        if (tile < config.tiles) {
            histogram[at] = before + sums[local] - digits;
        }
        before += sums[WORKGROUP - 1u];
        workgroupBarrier();
    }
    if (local == 0u) {
        histogram[total_at(digit, config)] = before;
    }
}
