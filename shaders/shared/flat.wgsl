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

fn root(x: Lane) -> Lane {
    return sqrt(x);
}

fn quotient(x: Lane, y: Lane) -> Lane {
    return x / y;
}

fn offset(x: Lane, y: f32) -> Lane {
    return x + y;
}
