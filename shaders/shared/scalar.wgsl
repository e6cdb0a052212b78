// An invocation handles one f32 of a row at a time.

/// What is computed with.
alias Lane = f32;
const LANE_WIDTH: u32 = 1u;

/// What one operation handles, and as many u32 and i32.
alias Part = f32;
alias Bits = u32;
alias Ints = i32;

/// The bits of the exponent, all of which an infinity or a NaN has set.
const EXPONENT: u32 = 0x7f800000u;

fn is_finite(lane: Lane) -> bool {
    return (bitcast<u32>(lane) & EXPONENT) != EXPONENT;
}

fn lane_of(words: array<u32, LANE_WIDTH>) -> Lane {
    return bitcast<f32>(words[0]);
}

fn words_of(lane: Lane) -> array<u32, LANE_WIDTH> {
    return array<u32, LANE_WIDTH>(bitcast<u32>(lane));
}

// A lane of one number.
fn splat(x: f32) -> Lane {
    return x;
}
