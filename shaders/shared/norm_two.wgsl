// The root of the sum of squares.

fn measured(gradient: Lane) -> Lane {
    return multiply(gradient, gradient);
}

fn together(x: Part, y: Part) -> Part {
    return settled(x + y);
}
