// Lanes of eight numbers, where numbers of 16 bits are bound: four per u64.

alias Halves = vec2<u64>;
alias Words = vec4<u64>;

/// The bits of a lane: 16 or 32 of each number, of its first four and of the others.
struct LaneBits {
    low: Bits,
    high: Bits,
}

/// The columns of a lane's first numbers, from its own on.
const COLUMNS: Bits = vec4<u32>(0u, 1u, 2u, 3u);

fn place_of(at: u32) -> u32 {
    return at;
}

fn halves_in(four: u64) -> Bits {
    let low = u32(four);
    let high = u32(four >> 32u);
    return vec4<u32>(low & 0xffffu, low >> 16u, high & 0xffffu, high >> 16u);
}

fn halves_at(halves: Halves, at: u32) -> LaneBits {
    return LaneBits(halves_in(halves.x), halves_in(halves.y));
}

fn four_halves(bits: Bits) -> u64 {
    return u64(bits.x | (bits.y << 16u)) | (u64(bits.z | (bits.w << 16u)) << 32u);
}

fn halves_from(bits: LaneBits) -> Halves {
    return Halves(four_halves(bits.low), four_halves(bits.high));
}

fn words_in(two: vec2<u64>) -> Bits {
    return vec4<u32>(u32(two.x), u32(two.x >> 32u), u32(two.y), u32(two.y >> 32u));
}

fn lane_words(words: Words) -> LaneBits {
    return LaneBits(words_in(words.xy), words_in(words.zw));
}

fn four_words(bits: Bits) -> vec2<u64> {
    let low = vec2<u64>(u64(bits.x), u64(bits.z));
    return low | (vec2<u64>(u64(bits.y), u64(bits.w)) << vec2<u32>(32u));
}

fn words_from(bits: LaneBits) -> Words {
    return Words(four_words(bits.low), four_words(bits.high));
}

fn joined(low: Part, high: Part) -> Lane {
    return Lane(low, high);
}

fn low_of(lane: Lane) -> Part {
    return lane[0];
}

fn high_of(lane: Lane) -> Part {
    return lane[1];
}
