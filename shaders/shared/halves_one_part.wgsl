// What lanes of one part have in common where numbers of 16 bits are bound: `halves_scalar`, `halves_vec2`, `halves_vec4`.

fn lane_words(words: Words) -> LaneBits {
    return LaneBits(words, Bits(0u));
}

fn words_from(bits: LaneBits) -> Words {
    return bits.low;
}

fn joined(low: Part, high: Part) -> Lane {
    return low;
}

fn low_of(lane: Lane) -> Part {
    return lane;
}

fn high_of(lane: Lane) -> Part {
    return lane;
}
