// A rule's words, and the random bits that a step rounds with. A fragment behind this one has `drawn_row(row)`, by which a row
// of the window draws.

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

// Of columns of a row of the window.
fn random_at(row: u32, columns: Bits) -> Random {
    return random_of(drawn_row(row), columns, drawn.step, drawn.seed);
}
