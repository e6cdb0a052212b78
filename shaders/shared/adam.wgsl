// The update rule, apart from where its numbers come from (torch/optim/_functional.py,
// sparse_adam). `eps` is outside the root, on the uncorrected second moment.

struct AdamHyper {
    /// lr * sqrt(1 - beta2^t) / (1 - beta1^t), rounded once from f64.
    step_size: f32,
    /// 1 - beta1 and 1 - beta2, rounded once from f64.
    one_minus_beta1: f32,
    one_minus_beta2: f32,
    eps: f32,
}

struct Updated {
    param: Lane,
    exp_avg: Lane,
    exp_avg_sq: Lane,
}

fn adam(hyper: AdamHyper, param: Lane, exp_avg: Lane, exp_avg_sq: Lane, grad: Lane) -> Updated {
    let m = exp_avg + (grad - exp_avg) * hyper.one_minus_beta1;
    let v = exp_avg_sq + (square(grad) - exp_avg_sq) * hyper.one_minus_beta2;
    return Updated(param - hyper.step_size * direction(m, v, hyper.eps), m, v);
}
