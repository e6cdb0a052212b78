// What the parallel sort's scatter counts the digits of a round in.
//
// A stage that uses this has one of the fragments `rank_by_masks` and `rank_by_ballots`.

const WORDS: u32 = 8u;
const DIGITS: u32 = 256u;

/// `[WORDS, DIGITS]`; between rounds, all 0. Neighbouring digits are neighbours, so that the lanes of a SIMD group seldom meet in
/// a bank.
var<workgroup> masks: array<atomic<u32>, 2048>;

// Equal digits of a round before an invocation's, and all.
fn rank_in_masks(digit: u32, local: u32) -> vec2<u32> {
    let own_word = local / 32u;
    var below = 0u;
    var all = 0u;
    for (var word = 0u; word < WORDS; word++) {
        let bits = atomicLoad(&masks[word * DIGITS + digit]);
        if (word < own_word) {
            below += countOneBits(bits);
        } else if (word == own_word) {
            below += countOneBits(bits & ((1u << (local % 32u)) - 1u));
        }
        all += countOneBits(bits);
    }
    return vec2<u32>(below, all);
}

// Bit `b` of word `w` is invocation `32 w + b`.
fn enter_in_masks(digit: u32, local: u32) {
    atomicOr(&masks[(local / 32u) * DIGITS + digit], 1u << (local % 32u));
}

fn clear_masks(digit: u32) {
    for (var word = 0u; word < WORDS; word++) {
        atomicStore(&masks[word * DIGITS + digit], 0u);
    }
}
