// Lanes of two numbers, where numbers of 16 bits are bound: both in one word.

alias Halves = u32;
alias Words = vec2<u32>;

/// The bits of a lane: 16 or 32 of each number. `high` means nothing here.
struct LaneBits {
    low: Bits,
    high: Bits,
}

/// The columns of a lane's first numbers, from its own on.
const COLUMNS: Bits = vec2<u32>(0u, 1u);

fn place_of(at: u32) -> u32 {
    return at;
}

fn halves_at(halves: Halves, at: u32) -> LaneBits {
    return LaneBits(vec2<u32>(halves & 0xffffu, halves >> 16u), Bits(0u));
}

fn halves_from(bits: LaneBits) -> Halves {
    return bits.low.x | (bits.low.y << 16u);
}
