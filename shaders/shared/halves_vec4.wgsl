// Lanes of four numbers, where numbers of 16 bits are bound: two per word.

alias Halves = vec2<u32>;
alias Words = vec4<u32>;

/// The bits of a lane: 16 or 32 of each number. `high` means nothing here.
struct LaneBits {
    low: Bits,
    high: Bits,
}

/// The columns of a lane's first numbers, from its own on.
const COLUMNS: Bits = vec4<u32>(0u, 1u, 2u, 3u);

fn place_of(at: u32) -> u32 {
    return at;
}

fn halves_at(halves: Halves, at: u32) -> LaneBits {
    let bits = vec4<u32>(halves.x & 0xffffu, halves.x >> 16u, halves.y & 0xffffu, halves.y >> 16u);
    return LaneBits(bits, Bits(0u));
}

fn halves_from(bits: LaneBits) -> Halves {
    return Halves(bits.low.x | (bits.low.y << 16u), bits.low.z | (bits.low.w << 16u));
}
