// Operations on lanes of one part.

fn add(x: Lane, y: Lane) -> Lane {
    return settled(x + y);
}

fn subtract(x: Lane, y: Lane) -> Lane {
    return settled(x - y);
}

fn multiply(x: Lane, y: Lane) -> Lane {
    return settled(x * y);
}

fn offset(x: Lane, y: f32) -> Lane {
    return settled(x + y);
}

fn scale(x: Lane, y: f32) -> Lane {
    return settled(x * y);
}

fn negate(x: Lane) -> Lane {
    return negated(x);
}

fn quotient(x: Lane, y: Lane) -> Lane {
    return quotient_of(x, y);
}

fn root(x: Lane) -> Lane {
    return root_of(x);
}

fn limited(x: Lane, limit: f32) -> Lane {
    return limited_of(x, limit);
}

fn larger(x: Lane, y: Lane) -> Lane {
    return larger_of(x, y);
}

fn either(x: Lane, y: Lane, second: bool) -> Lane {
    return select(x, y, second);
}
