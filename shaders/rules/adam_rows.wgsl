// What the rows of a lazy Adam have of their own; `adam.wgsl` has what is done to their values.
//
// Constants declared before this: those of `adam.wgsl`, and where each field of a row's state is, of ROW_FIELDS.

struct RowRule {
    /// 1 - beta^(2^k), rounded once from f64: of the first beta, k from 0 to 23, and of the second.
    powers: array<vec4<f32>, 12>,
    /// The learning rate; MOMENTUM: over 1 - beta1.
    lr: f32,
    /// CORRECTED: on the corrected root, else the rule's.
    eps: f32,
    one_minus_beta2: f32,
    /// CATCH_UP: what a step takes off the parameter; with DECOUPLED and DEVICE, before the learning rate's factor.
    decay: f32,
    /// The step's number, from 1.
    step: u32,
    /// What random bits are drawn from, where they are (`shaders/shared/drawn_rows.wgsl`).
    seed: u32,
    pad0: u32,
    pad1: u32,
}

/// What the columns of a row share; see AT_*.
alias Numbers = array<f32, ROW_NUMBERS>;

/// Steps past this count as so many.
const MOST_STEPS: u32 = (1u << 24u) - 1u;
const SMALLEST_NORMAL: f32 = 1.1754943508222875e-38f;

// 1 - beta^n: 1 - b^(s + t) is x + (1 - b^t) * (1 - x), with x = 1 - b^s, which cancels nothing.
fn one_minus_power(beta: u32, n: u32) -> f32 {
    var sum = 0f;
    for (var k = 0u; k < 24u; k++) {
        let power = row_rule.powers[beta * 6u + k / 4u][k % 4u];
        sum = select(sum, add(sum, multiply(power, subtract(1f, sum))), ((n >> k) & 1u) == 1u);
    }
    return sum;
}

// (1 - decay)^n, likewise.
fn kept_after(decay: f32, n: u32) -> f32 {
    var sum = 0f;
    var power = decay;
    for (var k = 0u; k < 24u; k++) {
        sum = select(sum, add(sum, multiply(power, subtract(1f, sum))), ((n >> k) & 1u) == 1u);
        power = add(power, multiply(power, subtract(1f, power)));
    }
    return subtract(1f, sum);
}

// Epsilon, where the root of the second moment's correction is `root_of_correction`.
fn eps_of(root_of_correction: f32) -> f32 {
    if (CORRECTED) {
        return larger(multiply(row_rule.eps, root_of_correction), SMALLEST_NORMAL);
    }
    return row_rule.eps;
}

// Counts a step that names a row, and corrects by it. Returns epsilon.
fn correct_by_row(row: u32, numbers: ptr<function, Numbers>) -> f32 {
    let before = load_row(row, ROW_ROW_COUNTER);
    let count = before + select(1u, 0u, before == 0xffffffffu);
    store_row(row, ROW_ROW_COUNTER, count);
    let n = min(count, MOST_STEPS);
    let root2 = root(one_minus_power(1u, n));
    (*numbers)[AT_STEP_SIZE] = multiply(quotient(root2, one_minus_power(0u, n)), row_rule.lr);
    return eps_of(root2);
}

// What decay leaves of a row that was last named in step `last`; 0: never.
fn kept_since(last: u32) -> f32 {
    // A count that was set back is not ahead of what it names.
    let missed = select(row_rule.step - min(last, row_rule.step), 1u, last == 0u);
    var decay = row_rule.decay;
    if (DECOUPLED && DEVICE) {
        decay = multiply(decay, device_lr_factor());
    }
    return kept_after(decay, min(missed, MOST_STEPS));
}

// What the steps since `last` come to, of a row that was last named then. Returns epsilon.
fn miss_since(last: u32, numbers: ptr<function, Numbers>) -> f32 {
    // A count that was set back is not ahead of what it names.
    let first = clamp(last, 1u, row_rule.step);
    let missed = min(row_rule.step - first, MOST_STEPS);
    let root2 = root(one_minus_power(1u, min(first, MOST_STEPS)));
    let correction = quotient(root2, one_minus_power(0u, min(first, MOST_STEPS)));
    let gone1 = one_minus_power(0u, missed);
    (*numbers)[AT_MISSED] = multiply(multiply(correction, gone1), row_rule.lr);
    (*numbers)[AT_KEPT1] = subtract(1f, gone1);
    (*numbers)[AT_KEPT2] = subtract(1f, one_minus_power(1u, missed));
    return eps_of(root2);
}

// Takes the mean of a gradient's squares into the row's second moment. Returns what is divided by.
fn second_moment_of(row: u32, mean_square: f32, eps: f32) -> f32 {
    var second = bitcast<f32>(load_row(row, ROW_EXP_AVG_SQ));
    second = add(second, multiply(subtract(mean_square, second), row_rule.one_minus_beta2));
    store_row(row, ROW_EXP_AVG_SQ, bitcast<u32>(second));
    if (AMSGRAD) {
        second = larger(bitcast<f32>(load_row(row, ROW_MAX_EXP_AVG_SQ)), second);
        store_row(row, ROW_MAX_EXP_AVG_SQ, bitcast<u32>(second));
    }
    return add(root(second), eps);
}

// A step that names a row.
fn update_row_state(row: u32, mean_square: f32) -> Numbers {
    var numbers: Numbers;
    var eps = row_rule.eps;
    if (ROW_BIAS) {
        eps = correct_by_row(row, &numbers);
    }
    if (CATCH_UP) {
        numbers[AT_KEPT] = kept_since(load_row(row, ROW_PREV_ITER));
    }
    if (MOMENTUM) {
        eps = miss_since(load_row(row, ROW_PREV_ITER), &numbers);
    }
    if (CATCH_UP || MOMENTUM) {
        store_row(row, ROW_PREV_ITER, row_rule.step);
    }
    if (MOMENTUM || (ROW_BIAS && !ROW_SECOND)) {
        numbers[AT_EPS] = eps;
    }
    if (ROW_SECOND) {
        numbers[AT_DENOMINATOR] = second_moment_of(row, mean_square, eps);
    }
    return numbers;
}
