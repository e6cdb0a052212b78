// What lanes have in common that are stored as they are computed with: scalar and vec4.

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
