// What is measured of a row's sum for a norm: the gradient as the update takes it, before it is clipped.
//
// A stage that uses this has the fragments `counted`, `scalars` and one of `norm_*`. It owns a binding.

@group(0) @binding(1) var<storage, read_write> scratch: array<u32>;

fn squared(run: Run, column: u32, sum: Lane) -> Lane {
    var gradient = sum;
    if (config.mean == 1u) {
        gradient = quotient(gradient, splat(float_of(run.length)));
    }
    return measured(scale(scale(gradient, config.grad_scale), device_grad_scale()));
}
