// Ranking the pairs of a round by masks: every invocation sets its bit in its digit's 256-bit mask, and the bits below its own
// are the equal digits before it.
//
// Those of `rank_by_ballots` give the same.

struct Invocation {
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
}

fn begin_ranking(invocation: Invocation) {}

fn enter(digit: u32, live: bool, local: u32) {
    if (live) {
        enter_in_masks(digit, local);
    }
}

fn rank(digit: u32, local: u32) -> vec2<u32> {
    return rank_in_masks(digit, local);
}
