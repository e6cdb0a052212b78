// sort_serial_scan: turns each digit's tile counts into an exclusive prefix over tiles and
// writes the digit's total; one invocation owns one digit. In the first pass one tells whether any tile is out of order.

override WORKGROUP: u32 = 8u;

@group(0) @binding(0) var<uniform> config: SortConfig;
@group(0) @binding(1) var<storage, read_write> histogram: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let sort = config;
    let digit = id.x;
    if (digit >= sort.radix || is_over(sort)) {
        return;
    }
    var sum = 0u;
    var out_of_order = 0u;
    for (var tile = 0u; tile < sort.tiles; tile++) {
        let at = histogram_at(digit, tile, sort);
        let digits = histogram[at];
        histogram[at] = sum;
        sum += digits;
        out_of_order |= histogram[sort.order + tile];
    }
    histogram[total_at(digit, sort)] = sum;
    if (digit == 0u && sort.pass_kind != LATER) {
        histogram[sort.order + sort.tiles] = out_of_order;
    }
}
