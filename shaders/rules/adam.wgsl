// Adam on the rows that a gradient names (torch/optim/_functional.py, sparse_adam). `eps` is outside
// the root, on the uncorrected second moment.

struct Rule {
    /// lr * sqrt(1 - beta2^t) / (1 - beta1^t), rounded once from f64.
    step_size: f32,
    /// 1 - beta1 and 1 - beta2, rounded once from f64.
    one_minus_beta1: f32,
    one_minus_beta2: f32,
    eps: f32,
    /// 1: the gradient is negated.
    maximize: u32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
}

/// Fields of the state, in their order.
const FIELDS: u32 = 2u;
const EXP_AVG: u32 = 0u;
const EXP_AVG_SQ: u32 = 1u;

fn update_lane(row: u32, column: u32, sum: Lane) {
    var grad = sum;
    if (rule.maximize == 1u) {
        grad = negate(grad);
    }
    var m = load_state(row, EXP_AVG, column);
    var v = load_state(row, EXP_AVG_SQ, column);
    let p = load_param(row, column);
    m = add(m, scale(subtract(grad, m), rule.one_minus_beta1));
    v = add(v, scale(subtract(multiply(grad, grad), v), rule.one_minus_beta2));
    let direction = quotient(m, offset(root(v), rule.eps));
    store_param(row, column, subtract(p, scale(direction, rule.step_size)));
    store_state(row, EXP_AVG, column, m);
    store_state(row, EXP_AVG_SQ, column, v);
}
