// A lazy Adam's numbers, and the gradient as it takes it; see `adam.wgsl`.

struct Rule {
    /// lr * sqrt(1 - beta2^t) / (1 - beta1^t), rounded once from f64.
    step_size: f32,
    /// 1 - beta1 and 1 - beta2, rounded once from f64.
    one_minus_beta1: f32,
    one_minus_beta2: f32,
    /// Where epsilon belongs to the corrected root, times sqrt(1 - beta2^t).
    eps: f32,
    /// 1: the gradient is negated.
    maximize: u32,
    grad_scale: f32,
    /// The gradient's values are brought into [-clip, clip].
    clip: f32,
    /// L2: the decay. KEPT: what is left of the parameter; with DECOUPLED and DEVICE, what is taken off.
    decay: f32,
}

// The gradient as the rule takes it, of the sum of a row's entries.
fn gradient_of(sum: Lane, p: Lane, entries: u32) -> Lane {
    var grad = sum;
    if (MEAN) {
        grad = quotient(grad, splat(float_of(entries)));
    }
    if (SCALED) {
        grad = scale(grad, rule.grad_scale);
    }
    if (DEVICE) {
        grad = scale(grad, device_grad_scale());
    }
    if (rule.maximize == 1u) {
        grad = negate(grad);
    }
    if (CLIPPED) {
        grad = limited(grad, rule.clip);
    }
    if (L2) {
        grad = add(grad, scale(p, rule.decay));
    }
    return grad;
}
