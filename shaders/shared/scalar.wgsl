// An invocation handles one f32 of a row at a time.

/// What a binding of rows holds, and what is computed with.
alias Stored = f32;
alias Lane = f32;
const LANE_WIDTH: u32 = 1u;

fn unpack(stored: Stored) -> Lane {
    return stored;
}

fn pack(lane: Lane) -> Stored {
    return lane;
}

fn negate(x: Lane) -> Lane {
    return -x;
}

fn square(x: Lane) -> Lane {
    return x * x;
}

// m / (sqrt(v) + eps)
fn direction(m: Lane, v: Lane, eps: f32) -> Lane {
    return m / (sqrt(v) + eps);
}

fn lane_of(words: array<u32, LANE_WIDTH>) -> Lane {
    return bitcast<f32>(words[0]);
}

fn words_of(lane: Lane) -> array<u32, LANE_WIDTH> {
    return array<u32, LANE_WIDTH>(bitcast<u32>(lane));
}
