// A prefix sum over a workgroup.
//
// A stage that uses this declares `WORKGROUP` and `sums: array<u32, 256>` in workgroup memory.

// Makes `sums[0..WORKGROUP]` its own inclusive prefix sum (Hillis and Steele 1986).
fn scan_sums(local: u32) {
    for (var reach = 1u; reach < WORKGROUP; reach *= 2u) {
        workgroupBarrier();
        var sum = sums[local];
        if (local >= reach) {
            sum += sums[local - reach];
        }
        workgroupBarrier();
        sums[local] = sum;
    }
    workgroupBarrier();
}

