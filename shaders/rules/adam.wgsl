// Adam on the rows that a gradient names (torch/optim/_functional.py, sparse_adam), and its relatives. `eps` is
// outside the root, on the uncorrected second moment.
//
// Constants declared before this, each a bool: SCALED, CLIPPED, L2, KEPT, DECOUPLED, AMSGRAD, MEAN, ROW_BIAS, ROW_SECOND,
// CATCH_UP, MOMENTUM, CORRECTED, DEVICE. All are false for torch's SparseAdam. With DEVICE, the fragment `scalars` has
// what the GPU knows of the step. ROW_NUMBERS of a row are shared by its columns; AT_* tells which is which.
//
// `adam_gradient.wgsl` comes before it.

/// Fields of the state, in their order: both moments first, or the first alone.
const FIELDS: u32 = select(select(2u, 3u, AMSGRAD), 1u, ROW_SECOND);
const EXP_AVG: u32 = 0u;
const MAX_EXP_AVG_SQ: u32 = 2u;

/// What the columns of a row share: each is there where the rule has it.
struct Shared {
    /// How many entries the sum is of, where the rule asks.
    entries: u32,
    /// ROW_BIAS: in place of the rule's.
    step_size: f32,
    /// ROW_BIAS and MOMENTUM: in place of the rule's.
    eps: f32,
    /// ROW_SECOND: the root of the row's second moment, plus epsilon.
    denominator: f32,
    /// CATCH_UP: what is left of the parameter.
    remaining: f32,
    /// MOMENTUM: the step size of all steps that were missed, and what they left of the moments.
    missed: f32,
    kept1: f32,
    kept2: f32,
}

fn shared_of(head: u32, entries: u32) -> Shared {
    var of_row: Shared;
    of_row.entries = entries;
    if (ROW_BIAS) {
        of_row.step_size = row_number(head, AT_STEP_SIZE);
    }
    if (MOMENTUM || (ROW_BIAS && !ROW_SECOND)) {
        of_row.eps = row_number(head, AT_EPS);
    }
    if (ROW_SECOND) {
        of_row.denominator = row_number(head, AT_DENOMINATOR);
    }
    if (CATCH_UP) {
        of_row.remaining = row_number(head, AT_KEPT);
    }
    if (MOMENTUM) {
        of_row.missed = row_number(head, AT_MISSED);
        of_row.kept1 = row_number(head, AT_KEPT1);
        of_row.kept2 = row_number(head, AT_KEPT2);
    }
    return of_row;
}

// What decay leaves of the parameter.
fn kept_of(p: Lane, row: Shared) -> Lane {
    if (CATCH_UP) {
        return scale(p, row.remaining);
    }
    if (!KEPT) {
        return p;
    }
    let part = scale(p, rule.decay);
    if (DEVICE && DECOUPLED) {
        return subtract(p, scale(part, device_lr_factor()));
    }
    return part;
}

fn denominator_of(second: Lane, row: Shared) -> Lane {
    if (ROW_SECOND) {
        return splat(row.denominator);
    }
    if (ROW_BIAS || MOMENTUM) {
        return offset(root(second), row.eps);
    }
    return offset(root(second), rule.eps);
}

// How far a moment moves the parameter.
fn step_of(m: Lane, second: Lane, row: Shared) -> Lane {
    var size = rule.step_size;
    if (ROW_BIAS) {
        size = row.step_size;
    }
    if (MOMENTUM) {
        size = row.missed;
    }
    let step = scale(quotient(m, denominator_of(second, row)), size);
    if (DEVICE) {
        return scale(step, device_lr_factor());
    }
    return step;
}

/// What a value has before a step: each is there where the rule has it.
struct Held {
    p: Lane,
    /// With ROW_SECOND, the first alone.
    moments: Moments,
    /// AMSGRAD: the largest second moment.
    largest: Lane,
}

fn load_held(row: u32, column: u32) -> Held {
    var held: Held;
    held.p = load_param(row, column);
    if (ROW_SECOND) {
        held.moments.exp_avg = load_state(row, EXP_AVG, column);
    } else {
        held.moments = load_moments(row, column);
    }
    if (AMSGRAD && !ROW_SECOND) {
        held.largest = load_state(row, MAX_EXP_AVG_SQ, column);
    }
    return held;
}

// Takes a gradient into the moments of a value, or into its first where the row has the second.
fn move_moments(row: u32, column: u32, held: Moments, grad: Lane) -> Moments {
    let m = held.exp_avg;
    let first = add(m, scale(subtract(grad, m), rule.one_minus_beta1));
    if (ROW_SECOND) {
        store_state(row, EXP_AVG, column, first);
        return Moments(first, first);
    }
    let v = held.exp_avg_sq;
    let second = add(v, scale(subtract(multiply(grad, grad), v), rule.one_minus_beta2));
    let moved = Moments(first, second);
    store_moments(row, column, moved);
    return moved;
}

fn update_lane(row: u32, column: u32, held: Held, sum: Lane, of_row: Shared) {
    if (is_skipped()) {
        return;
    }
    let p = held.p;
    let grad = gradient_of(sum, p, of_row.entries);
    if (MOMENTUM) {
        let missed = step_of(held.moments.exp_avg, held.moments.exp_avg_sq, of_row);
        store_param(row, column, subtract(p, missed));
        let m = scale(held.moments.exp_avg, of_row.kept1);
        let v = scale(held.moments.exp_avg_sq, of_row.kept2);
        store_moments(row, column, Moments(
            add(m, scale(grad, rule.one_minus_beta1)),
            add(v, scale(multiply(grad, grad), rule.one_minus_beta2)),
        ));
        return;
    }
    let moved = move_moments(row, column, held.moments, grad);
    var second = moved.exp_avg_sq;
    if (AMSGRAD && !ROW_SECOND) {
        second = larger(held.largest, second);
        store_state(row, MAX_EXP_AVG_SQ, column, second);
    }
    let step = step_of(moved.exp_avg, second, of_row);
    store_param(row, column, subtract(kept_of(p, of_row), step));
}
