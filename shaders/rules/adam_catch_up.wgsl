// What a lazy Adam does to the values of a row that is behind: each is stored, and so rounded, once.

/// Fields of the state, in their order.
const FIELDS: u32 = select(select(2u, 3u, AMSGRAD), 1u, ROW_SECOND);

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
    let p = load_param(row, column);
    if (CATCH_UP) {
        store_param(row, column, multiply(p, behind.remaining));
    }
    if (MOMENTUM) {
        let held = load_moments(row, column);
        let m = held.exp_avg;
        let v = held.exp_avg_sq;
        var step = multiply(quotient(m, add(root(v), behind.eps)), behind.missed);
        if (DEVICE) {
            step = multiply(step, device_lr_factor());
        }
        store_param(row, column, subtract(p, step));
        store_moments(row, column, Moments(multiply(m, behind.kept1), multiply(v, behind.kept2)));
    }
}
