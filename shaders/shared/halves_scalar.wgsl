// Lanes of one number, where numbers of 16 bits are bound: two lanes share a word.

alias Halves = u32;
alias Words = u32;

/// The bits of a lane: 16 or 32 of each number. `high` means nothing here.
struct LaneBits {
    low: Bits,
    high: Bits,
}

/// The columns of a lane's first numbers, from its own on.
const COLUMNS: Bits = 0u;

/// Where lane `at` is, and how far up in what lies there.
fn place_of(at: u32) -> u32 {
    return at / 2u;
}

fn shift_of(at: u32) -> u32 {
    return 16u * (at % 2u);
}

fn halves_at(halves: Halves, at: u32) -> LaneBits {
    return LaneBits((halves >> shift_of(at)) & 0xffffu, 0u);
}
