// Ranking the pairs of a round by ballots: the lanes of a subgroup find those of their digit by a ballot per bit, and the first
// of them says how many they are. A word per digit has the counts of four subgroups. Where the lanes of a subgroup are not
// neighbours in the workgroup, in their order, where a subgroup has too few, or a ballot leaves lanes out (naga 30 takes the first 32
// on Metal), masks are used all the same.
//
// For devices with subgroups. A stage that uses this declares `sum_of`. Those of `rank_by_masks` give the same.

struct Invocation {
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(subgroup_size) size: u32,
    @builtin(subgroup_invocation_id) lane: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(num_subgroups) subgroups: u32,
}

/// Invocations that are not where they should be.
var<workgroup> strays: atomic<u32>;
var<workgroup> strayed: u32;

/// Whether ballots are used, this lane and its subgroup, words of counts, and how many of its subgroup have its digit: before it,
/// and in all.
var<private> by_ballots: bool;
var<private> lane: u32;
var<private> subgroup: u32;
var<private> words: u32;
var<private> in_subgroup: vec2<u32>;

fn begin_ranking(invocation: Invocation) {
    if (invocation.local == 0u) {
        atomicStore(&strays, 0u);
    }
    workgroupBarrier();
    let all = subgroupBallot(true);
    let answered = ((all[invocation.lane / 32u] >> (invocation.lane & 31u)) & 1u) == 1u;
    let full = invocation.subgroups * invocation.size == WORKGROUP && bits_of(all) == invocation.size;
    let expected = invocation.subgroup * invocation.size + invocation.lane;
    let fits = invocation.subgroups <= 4u * WORDS && invocation.size <= 128u;
    if (!full || !fits || !answered || expected != invocation.local) {
        atomicAdd(&strays, 1u);
    }
    workgroupBarrier();
    if (invocation.local == 0u) {
        strayed = atomicLoad(&strays);
    }
    by_ballots = workgroupUniformLoad(&strayed) == 0u;
    lane = invocation.lane;
    subgroup = invocation.subgroup;
    words = (invocation.subgroups + 3u) / 4u;
}

fn bits_of(answers: vec4<u32>) -> u32 {
    return sum_of(countOneBits(answers));
}

// Which lanes of a subgroup have an invocation's digit. Digits have 8 bits at most; written out, because loops that naga bounds
// are not unrolled.
fn lanes_of_digit(digit: u32, live: bool) -> vec4<u32> {
    var same = subgroupBallot(live);
    same &= lanes_of_bit(digit, 0u);
    same &= lanes_of_bit(digit, 1u);
    same &= lanes_of_bit(digit, 2u);
    same &= lanes_of_bit(digit, 3u);
    same &= lanes_of_bit(digit, 4u);
    same &= lanes_of_bit(digit, 5u);
    same &= lanes_of_bit(digit, 6u);
    return same & lanes_of_bit(digit, 7u);
}

fn lanes_of_bit(digit: u32, bit: u32) -> vec4<u32> {
    let is_set = ((digit >> bit) & 1u) == 1u;
    let those = subgroupBallot(is_set);
    return select(~those, those, is_set);
}

// The lanes before this one, of those of each 32.
fn lanes_before() -> vec4<u32> {
    let firsts = vec4<u32>(0u, 32u, 64u, 96u);
    let here = (1u << (lane & 31u)) - 1u;
    let same = vec4<u32>(lane / 32u) == firsts / 32u;
    return select(select(vec4<u32>(), vec4<u32>(0xffffffffu), vec4<u32>(lane) > firsts), vec4<u32>(here), same);
}

fn enter(digit: u32, live: bool, local: u32) {
    if (by_ballots) {
        let same = lanes_of_digit(digit, live);
        in_subgroup = vec2<u32>(bits_of(same & lanes_before()), bits_of(same));
        if (live && in_subgroup.x == 0u) {
            atomicAdd(&masks[subgroup / 4u * DIGITS + digit], in_subgroup.y << (8u * (subgroup & 3u)));
        }
    } else if (live) {
        enter_in_masks(digit, local);
    }
}

// The sum of a word's four counts, each of at most 128.
fn four_counts(word: u32) -> u32 {
    let two = (word & 0xff00ffu) + ((word >> 8u) & 0xff00ffu);
    return (two & 0xffffu) + (two >> 16u);
}

fn rank(digit: u32, local: u32) -> vec2<u32> {
    if (!by_ballots) {
        return rank_in_masks(digit, local);
    }
    let own_word = subgroup / 4u;
    var before = in_subgroup.x;
    var all = 0u;
    for (var word = 0u; word < words; word++) {
        let counts = atomicLoad(&masks[word * DIGITS + digit]);
        if (word < own_word) {
            before += four_counts(counts);
        } else if (word == own_word) {
            before += four_counts(counts & ((1u << (8u * (subgroup & 3u))) - 1u));
        }
        all += four_counts(counts);
    }
    return vec2<u32>(before, all);
}
