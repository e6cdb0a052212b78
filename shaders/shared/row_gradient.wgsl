// What is added up of a row's sum for the row's second moment: the square of the gradient as the rule takes it.
//
// A stage that uses this has the fragments `counted` and `scalars`, those that tell how the parameter is stored, and of the
// rule those that declare `Rule` and `gradient_of(sum, p, entries)`. It owns bindings.

/// `[rows, columns]` of the window.
@group(0) @binding(2) var<storage, read_write> param: array<ParamStored>;
@group(0) @binding(3) var<storage, read_write> scratch: array<u32>;

fn squared(run: Run, column: u32, sum: Lane) -> Lane {
    let p = load_param(run.row, column);
    let gradient = gradient_of(sum, p, run.length);
    return multiply(gradient, gradient);
}

fn together(x: Part, y: Part) -> Part {
    return settled(x + y);
}
