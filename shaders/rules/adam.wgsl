// Adam on the rows that a gradient names (torch/optim/_functional.py, sparse_adam), and its relatives. `eps` is
// outside the root, on the uncorrected second moment.
//
// Constants declared before this, each a bool: SCALED, CLIPPED, L2, KEPT, DECOUPLED, AMSGRAD, DEVICE. All are false
// for torch's SparseAdam. With DEVICE, the fragment `scalars` has what the GPU knows of the step.

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

/// Fields of the state, in their order: both moments first.
const FIELDS: u32 = select(2u, 3u, AMSGRAD);
const MAX_EXP_AVG_SQ: u32 = 2u;

fn update_lane(row: u32, column: u32, sum: Lane) {
    if (is_skipped()) {
        return;
    }
    var grad = sum;
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
    let held = load_moments(row, column);
    var m = held.exp_avg;
    var v = held.exp_avg_sq;
    let p = load_param(row, column);
    if (L2) {
        grad = add(grad, scale(p, rule.decay));
    }
    m = add(m, scale(subtract(grad, m), rule.one_minus_beta1));
    v = add(v, scale(subtract(multiply(grad, grad), v), rule.one_minus_beta2));
    store_moments(row, column, Moments(m, v));
    var second = v;
    if (AMSGRAD) {
        second = larger(load_state(row, MAX_EXP_AVG_SQ, column), v);
        store_state(row, MAX_EXP_AVG_SQ, column, second);
    }
    var step = scale(quotient(m, offset(root(second), rule.eps)), rule.step_size);
    var kept = p;
    if (KEPT) {
        kept = scale(p, rule.decay);
    }
    if (DEVICE) {
        step = scale(step, device_lr_factor());
        if (DECOUPLED) {
            kept = subtract(p, scale(kept, device_lr_factor()));
        }
    }
    store_param(row, column, subtract(kept, step));
}
