// What is added up of a row's sum for the row's second moment: the square of the gradient as the rule takes it.
//
// A stage that uses this has the fragments `counted` and `scalars`, and those of the rule that declare `Rule` and
// `gradient_of(sum, p, entries)`. It owns bindings.

@group(0) @binding(1) var<uniform> rule: Rule;
/// `[rows, columns]` of the window.
@group(0) @binding(2) var<storage, read_write> param: array<ParamStored>;
@group(0) @binding(3) var<storage, read_write> scratch: array<u32>;

fn squared(run: Run, column: u32, sum: Lane) -> Lane {
    let p = unpack(param[run.row * config.values.columns + column]);
    let gradient = gradient_of(sum, p, run.length);
    return multiply(gradient, gradient);
}

fn joined(x: Part, y: Part) -> Part {
    return settled(x + y);
}
