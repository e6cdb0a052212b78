// The sum of magnitudes.

fn measured(gradient: Lane) -> Lane {
    // Of a number and itself, `larger` has the magnitude.
    return larger(gradient, gradient);
}

fn together(x: Part, y: Part) -> Part {
    return settled(x + y);
}
