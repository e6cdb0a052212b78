// An invocation handles eight neighbouring f32 of a row at a time, and moves them as four u64.
//
// For CPU adapters, as `u64_vec2`. A stage that uses this has the fragment `u64_fours`.

/// What a binding of rows holds, and what is computed with: two parts, as the columns of a matrix.
alias Stored = vec4<u64>;
alias Lane = mat2x4<f32>;
const LANE_WIDTH: u32 = 8u;
/// What a CPU adapter moves at once.
alias Number = u64;

/// What one operation handles, and as many u32 and i32.
alias Part = vec4<f32>;
alias Bits = vec4<u32>;
alias Ints = vec4<i32>;

fn unpack(stored: Stored) -> Lane {
    return Lane(unpack_four(stored.xy), unpack_four(stored.zw));
}

fn pack(lane: Lane) -> Stored {
    return Stored(pack_four(lane[0]), pack_four(lane[1]));
}

/// The bits of the exponent, all of which an infinity or a NaN has set.
const EXPONENT: u32 = 0x7f800000u;

fn half_is_finite(half: vec4<f32>) -> bool {
    let exponent = vec4<u32>(EXPONENT);
    return all((bitcast<vec4<u32>>(half) & exponent) != exponent);
}

fn is_finite(lane: Lane) -> bool {
    return half_is_finite(lane[0]) && half_is_finite(lane[1]);
}

fn lane_of(words: array<u32, LANE_WIDTH>) -> Lane {
    let low = vec4<u32>(words[0], words[1], words[2], words[3]);
    let high = vec4<u32>(words[4], words[5], words[6], words[7]);
    return Lane(bitcast<vec4<f32>>(low), bitcast<vec4<f32>>(high));
}

fn words_of(lane: Lane) -> array<u32, LANE_WIDTH> {
    let low = bitcast<vec4<u32>>(lane[0]);
    let high = bitcast<vec4<u32>>(lane[1]);
    return array<u32, LANE_WIDTH>(low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w);
}

// A lane of one number.
fn splat(x: f32) -> Lane {
    return Lane(vec4<f32>(x), vec4<f32>(x));
}
