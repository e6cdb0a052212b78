// A rule's words, and the random bits that a step rounds with. Twin: `src/narrow.rs`. A fragment behind this one has
// `drawn_row(row)`, by which a row of the window draws.

struct Drawn {
    rule: Rule,
    /// The low 32 bits of the step's number, from 1.
    step: u32,
    seed: u32,
    pad0: u32,
    pad1: u32,
}

@group(0) @binding(1) var<uniform> drawn: Drawn;

/// Where a rule looks for its words.
var<private> rule: Rule;

fn begin_row() {
    rule = drawn.rule;
}

/// For the parameter, and for each moment.
struct Random {
    param: Bits,
    first: Bits,
    second: Bits,
}

// Of columns of a row of the window: pcg4d (Jarzynski and Olano 2020) of the row's number, column, step and seed.
fn random_at(row: u32, columns: Bits) -> Random {
    var x = Bits(drawn_row(row) * 1664525u + 1013904223u);
    var y = columns * Bits(1664525u) + Bits(1013904223u);
    var z = Bits(drawn.step * 1664525u + 1013904223u);
    var w = Bits(drawn.seed * 1664525u + 1013904223u);
    x += y * w;
    y += z * x;
    z += x * y;
    w += y * z;
    x ^= x >> Bits(16u);
    y ^= y >> Bits(16u);
    z ^= z >> Bits(16u);
    w ^= w >> Bits(16u);
    x += y * w;
    y += z * x;
    z += x * y;
    return Random(x, y, z);
}
