// An invocation handles four neighbouring f32 of a row at a time.

/// What is computed with.
alias Lane = vec4<f32>;
const LANE_WIDTH: u32 = 4u;

/// What one operation handles, and as many u32 and i32.
alias Part = vec4<f32>;
alias Bits = vec4<u32>;
alias Ints = vec4<i32>;

/// The bits of the exponent, all of which an infinity or a NaN has set.
const EXPONENT: u32 = 0x7f800000u;

fn is_finite(lane: Lane) -> bool {
    let exponent = vec4<u32>(EXPONENT);
    return all((bitcast<vec4<u32>>(lane) & exponent) != exponent);
}

fn lane_of(words: array<u32, LANE_WIDTH>) -> Lane {
    return bitcast<vec4<f32>>(vec4<u32>(words[0], words[1], words[2], words[3]));
}

fn words_of(lane: Lane) -> array<u32, LANE_WIDTH> {
    let words = bitcast<vec4<u32>>(lane);
    return array<u32, LANE_WIDTH>(words.x, words.y, words.z, words.w);
}

// A lane of one number.
fn splat(x: f32) -> Lane {
    return vec4<f32>(x);
}
