// Rows between a window of the cache and records, as integers: no float is touched, so that no driver flushes a
// subnormal number or quiets a NaN. An invocation moves one unit. Behind `moved.wgsl`.

@group(0) @binding(2) var<storage, read_write> part: array<Unit>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let piece = piece_of(id);
    if !piece.is_there {
        return;
    }
    let in_part = piece.row * config.units + piece.unit;
    let in_record = piece.record + piece.unit;
    if GATHER {
        records[in_record] = part[in_part];
    } else {
        part[in_part] = records[in_record];
    }
}
