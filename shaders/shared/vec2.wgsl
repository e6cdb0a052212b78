// An invocation handles two neighbouring f32 of a row at a time.

/// What is computed with.
alias Lane = vec2<f32>;
const LANE_WIDTH: u32 = 2u;

/// What one operation handles, and as many u32 and i32.
alias Part = vec2<f32>;
alias Bits = vec2<u32>;
alias Ints = vec2<i32>;

/// The bits of the exponent, all of which an infinity or a NaN has set.
const EXPONENT: u32 = 0x7f800000u;

fn is_finite(lane: Lane) -> bool {
    let exponent = vec2<u32>(EXPONENT);
    return all((bitcast<vec2<u32>>(lane) & exponent) != exponent);
}

fn lane_of(words: array<u32, LANE_WIDTH>) -> Lane {
    return bitcast<vec2<f32>>(vec2<u32>(words[0], words[1]));
}

fn words_of(lane: Lane) -> array<u32, LANE_WIDTH> {
    let words = bitcast<vec2<u32>>(lane);
    return array<u32, LANE_WIDTH>(words.x, words.y);
}

// A lane of one number.
fn splat(x: f32) -> Lane {
    return vec2<f32>(x);
}
