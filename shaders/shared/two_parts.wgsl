// Operations on lanes of two parts.

fn add(x: Lane, y: Lane) -> Lane {
    return Lane(settled(x[0] + y[0]), settled(x[1] + y[1]));
}

fn subtract(x: Lane, y: Lane) -> Lane {
    return Lane(settled(x[0] - y[0]), settled(x[1] - y[1]));
}

fn multiply(x: Lane, y: Lane) -> Lane {
    return Lane(settled(x[0] * y[0]), settled(x[1] * y[1]));
}

fn offset(x: Lane, y: f32) -> Lane {
    return Lane(settled(x[0] + y), settled(x[1] + y));
}

fn scale(x: Lane, y: f32) -> Lane {
    return Lane(settled(x[0] * y), settled(x[1] * y));
}

fn negate(x: Lane) -> Lane {
    return Lane(negated(x[0]), negated(x[1]));
}

fn quotient(x: Lane, y: Lane) -> Lane {
    return Lane(quotient_of(x[0], y[0]), quotient_of(x[1], y[1]));
}

fn root(x: Lane) -> Lane {
    return Lane(root_of(x[0]), root_of(x[1]));
}

fn limited(x: Lane, limit: f32) -> Lane {
    return Lane(limited_of(x[0], limit), limited_of(x[1], limit));
}

fn larger(x: Lane, y: Lane) -> Lane {
    return Lane(larger_of(x[0], y[0]), larger_of(x[1], y[1]));
}

fn either(x: Lane, y: Lane, second: bool) -> Lane {
    return Lane(select(x[0], y[0], second), select(x[1], y[1], second));
}
