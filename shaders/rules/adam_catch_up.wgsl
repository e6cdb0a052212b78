// What a lazy Adam does to the values of a row that is behind.

/// Fields of the state, in their order.
const FIELDS: u32 = select(select(2u, 3u, AMSGRAD), 1u, ROW_SECOND);
const EXP_AVG: u32 = 0u;
const EXP_AVG_SQ: u32 = 1u;

/// What the steps that a row missed come to; as `Shared` of `adam.wgsl`.
struct Behind {
    remaining: f32,
    eps: f32,
    missed: f32,
    kept1: f32,
    kept2: f32,
}

fn behind_since(last: u32) -> Behind {
    var behind: Behind;
    if (CATCH_UP) {
        behind.remaining = kept_since(last);
    }
    if (MOMENTUM) {
        var numbers: Numbers;
        behind.eps = miss_since(last, &numbers);
        behind.missed = numbers[AT_MISSED];
        behind.kept1 = numbers[AT_KEPT1];
        behind.kept2 = numbers[AT_KEPT2];
    }
    return behind;
}

fn catch_up_value(row: u32, column: u32, behind: Behind) {
    let at = row * config.dim + column;
    if (CATCH_UP) {
        param[at] = multiply(param[at], behind.remaining);
    }
    if (MOMENTUM) {
        let first = (row * FIELDS + EXP_AVG) * config.dim + column;
        let second = (row * FIELDS + EXP_AVG_SQ) * config.dim + column;
        let m = state[first];
        let v = state[second];
        var step = multiply(quotient(m, add(root(v), behind.eps)), behind.missed);
        if (DEVICE) {
            step = multiply(step, device_lr_factor());
        }
        param[at] = subtract(param[at], step);
        state[first] = multiply(m, behind.kept1);
        state[second] = multiply(v, behind.kept2);
    }
}
