// ingest: turns an index list into (key, value row) pairs.

override WORKGROUP: u32 = 64u;
/// Neighbouring entries that one invocation takes, one after another; more than 1 where a
/// workgroup costs more than an entry.
override STRIP: u32 = 1u;

@group(0) @binding(4) var<storage, read_write> pairs: array<vec2<u32>>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let number = linear_workgroup(workgroup, grid);
    let item = item_of(number);
    begin_item(item);
    begin_counting(local);
    let start = ((number - first_workgroup(item)) * WORKGROUP + local) * STRIP;
    let end = min(start + STRIP, config.capacity);
    for (var entry = start; entry < end; entry++) {
        pairs[config.first + entry] = take_entry(entry);
    }
    end_counting(local);
}
