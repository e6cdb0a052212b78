// P16: ballots, and whether the lanes of a subgroup are neighbours in their workgroup. config: a: turns.
// results: per invocation, lanes that answered yes, then 1 where it is not where it should be, then its subgroup's size.

@group(0) @binding(1) var<storage, read_write> results: array<u32>;

@compute @workgroup_size(256)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(subgroup_size) size: u32,
    @builtin(subgroup_invocation_id) lane: u32,
    @builtin(subgroup_id) subgroup: u32,
) {
    var yes = 0u;
    for (var turn = 0u; turn < config.a; turn++) {
        let answers = subgroupBallot(((lane ^ turn) & 1u) == 0u);
        let counted = countOneBits(answers);
        yes += counted.x + counted.y + counted.z + counted.w;
    }
    results[3u * id.x] = yes;
    results[3u * id.x + 1u] = u32(subgroup * size + lane != local);
    results[3u * id.x + 2u] = size;
}
