// What is measured of a row's sum for a norm: the gradient as the update takes it, before it is clipped.
//
// A stage that uses this has the fragments `scalars` and one of `norm_*`.

fn squared(row: u32, column: u32, sum: Lane) -> Lane {
    return measured(scale(scale(sum, config.grad_scale), device_grad_scale()));
}
