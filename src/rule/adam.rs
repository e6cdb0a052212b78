//! Adam on the rows that a gradient names (torch/optim/_functional.py, `sparse_adam`), and its relatives.

mod rows;

use super::{Family, ROW_NUMBERS, SCALARS, Value, Variant, Words};
use crate::reference::Scalars;
use crate::{
    AdamOptions, BiasCorrection, CatchUp, Clip, Epsilon, Reduction, SecondMoment, WeightDecay,
};

pub(crate) static ADAM: Family = Family {
    name: "adam",
    variant,
    state,
    wgsl,
    words,
    twin,
    counts_entries: |variant| variant & MEAN != 0,
    rows: Some(&rows::ROWS),
};

/// Bits of a variant; none of them for torch's SparseAdam. The WGSL has a constant of each name.
const FLAGS: [(&str, Variant); 13] = [
    ("SCALED", SCALED),
    ("CLIPPED", CLIPPED),
    ("L2", L2),
    ("KEPT", KEPT),
    ("AMSGRAD", AMSGRAD),
    ("DECOUPLED", DECOUPLED),
    ("MEAN", MEAN),
    ("ROW_BIAS", ROW_BIAS),
    ("ROW_SECOND", ROW_SECOND),
    ("CATCH_UP", CATCH_UP),
    ("MOMENTUM", MOMENTUM),
    ("CORRECTED", CORRECTED),
    ("DEVICE", SCALARS),
];
const SCALED: Variant = 1;
const CLIPPED: Variant = 1 << 1;
const L2: Variant = 1 << 2;
const KEPT: Variant = 1 << 3;
const AMSGRAD: Variant = 1 << 4;
/// Beside KEPT: what is kept depends on the learning rate.
const DECOUPLED: Variant = 1 << 5;
/// The gradient is the mean of a row's entries.
const MEAN: Variant = 1 << 6;
/// Bias is corrected by a row's own count.
const ROW_BIAS: Variant = 1 << 7;
/// A row has one second moment.
const ROW_SECOND: Variant = 1 << 8;
/// Beside KEPT: decay that was missed is made up for.
const CATCH_UP: Variant = 1 << 9;
/// Steps that were missed are made up for.
const MOMENTUM: Variant = 1 << 10;
/// Beside ROW_BIAS or MOMENTUM, where epsilon is not the host's to correct: it belongs to the corrected root.
const CORRECTED: Variant = 1 << 11;
/// All of them, of which no rule has both L2 and KEPT.
#[cfg(test)]
pub(crate) const ALL_FLAGS: Variant = (1 << 12) - 1;

fn variant(options: &AdamOptions) -> Variant {
    let decay = match options.weight_decay {
        WeightDecay::None => 0,
        WeightDecay::L2(_) => L2,
        WeightDecay::Decoupled(_) => KEPT | DECOUPLED,
        WeightDecay::Plain(_) => KEPT,
    };
    let when = |holds, flag| if holds { flag } else { 0 };
    let row_bias = options.bias_correction == BiasCorrection::Row;
    let momentum = options.catch_up == CatchUp::Momentum;
    let corrected = options.epsilon == Epsilon::Corrected && (row_bias || momentum);
    decay
        | when(options.grad_scale != 1.0, SCALED)
        | when(matches!(options.clip, Clip::Value(_)), CLIPPED)
        | when(options.amsgrad, AMSGRAD)
        | when(options.duplicates == Reduction::Mean, MEAN)
        | when(row_bias, ROW_BIAS)
        | when(options.second_moment == SecondMoment::Row, ROW_SECOND)
        | when(options.catch_up == CatchUp::Decay, CATCH_UP)
        | when(momentum, MOMENTUM)
        | when(corrected, CORRECTED)
}

fn state(variant: Variant) -> &'static [&'static str] {
    match (variant & ROW_SECOND, variant & AMSGRAD) {
        (0, 0) => &["exp_avg", "exp_avg_sq"],
        (0, _) => &["exp_avg", "exp_avg_sq", "max_exp_avg_sq"],
        _ => &["exp_avg"],
    }
}

/// The WGSL constants that a variant's files have in common.
fn constants(variant: Variant) -> String {
    let flag = |(name, flag)| format!("const {name} = {};\n", variant & flag != 0);
    let mut next = 0;
    let at = |(name, has): (&str, bool)| {
        let at = if has { next } else { 0 };
        next += u32::from(has);
        format!("const AT_{name} = {at}u;\n")
    };
    let places: String = rows::shared(variant).map(at).concat();
    FLAGS.map(flag).concat() + &places + &format!("const ROW_NUMBERS = {next}u;\n")
}

fn wgsl(variant: Variant) -> String {
    gradient_wgsl(variant) + include_str!("../../shaders/rules/adam.wgsl")
}

fn gradient_wgsl(variant: Variant) -> String {
    constants(variant) + include_str!("../../shaders/rules/adam_gradient.wgsl")
}

fn words(variant: Variant, options: &AdamOptions, step: u64) -> Words {
    let decay = match options.weight_decay {
        WeightDecay::None => 0.0,
        WeightDecay::L2(amount) => amount,
        // Times the GPU's factor, it is taken off.
        WeightDecay::Decoupled(amount) if variant & SCALARS != 0 => options.lr * amount,
        WeightDecay::Decoupled(amount) => 1.0 - options.lr * amount,
        WeightDecay::Plain(amount) => 1.0 - amount,
    };
    let clip = match options.clip {
        Clip::Value(limit) => limit,
        Clip::None | Clip::Entries(_) => 0.0,
    };
    let (step_size, eps) = options.step_size_and_eps(step);
    let [step_size, one_minus_beta1, one_minus_beta2, eps, grad_scale, clip, decay] = [
        step_size,
        1.0 - options.betas.0,
        1.0 - options.betas.1,
        eps,
        options.grad_scale,
        clip,
        decay,
    ]
    .map(|number| (number as f32).to_bits());
    let maximize = options.maximize.into();
    [step_size, one_minus_beta1, one_minus_beta2, eps, maximize, grad_scale, clip, decay]
}

fn twin(variant: Variant, words: &Words, value: Value<'_>) {
    let [_, one_minus_beta1, one_minus_beta2, ..] = words.map(f32::from_bits);
    let grad = gradient(variant, words, &value);
    let Value { param, state, scalars, shared, .. } = value;
    let [exp_avg, rest @ ..] = state else { return };
    if variant & MOMENTUM != 0 {
        let [_, _, kept1, kept2] = shared;
        let [exp_avg_sq] = rest else { return };
        *param -= rows::owed(variant, (*exp_avg, *exp_avg_sq), shared, scalars);
        *exp_avg = *exp_avg * kept1 + grad * one_minus_beta1;
        *exp_avg_sq = *exp_avg_sq * kept2 + grad * grad * one_minus_beta2;
        return;
    }
    *exp_avg += (grad - *exp_avg) * one_minus_beta1;
    let second = second_moment(grad, one_minus_beta2, rest);
    *param = moved(variant, words, (*param, *exp_avg, second), (scalars, shared));
}

/// The gradient of a value: the sum of its entries, as the rule takes it.
fn gradient(variant: Variant, words: &Words, value: &Value<'_>) -> f32 {
    let [.., grad_scale, clip, decay] = words.map(f32::from_bits);
    let has = |flag| variant & flag != 0;
    let mut grad = value.sum;
    if has(MEAN) {
        grad /= value.entries as f32;
    }
    if has(SCALED) {
        grad *= grad_scale;
    }
    if has(SCALARS) {
        grad *= value.scalars.grad_scale;
    }
    if words[4] == 1 {
        grad = -grad;
    }
    if has(CLIPPED) {
        grad = limited(grad, clip);
    }
    if has(L2) {
        grad += *value.param * decay;
    }
    grad
}

/// Takes a gradient into a value's second moment, and the largest if there is one. None where its row has one.
fn second_moment(grad: f32, one_minus_beta2: f32, state: &mut [f32]) -> Option<f32> {
    let [exp_avg_sq, largest @ ..] = state else { return None };
    *exp_avg_sq += (grad * grad - *exp_avg_sq) * one_minus_beta2;
    let [largest] = largest else { return Some(*exp_avg_sq) };
    *largest = larger(*largest, *exp_avg_sq);
    Some(*largest)
}

/// A value after the step, by its moments.
fn moved(
    variant: Variant,
    words: &Words,
    (param, exp_avg, second): (f32, f32, Option<f32>),
    (scalars, shared): (Scalars, [f32; ROW_NUMBERS]),
) -> f32 {
    let [step_size, _, _, eps, .., decay] = words.map(f32::from_bits);
    let has = |flag| variant & flag != 0;
    let shared = |name| rows::of(variant, shared, name);
    let kept = match (has(CATCH_UP), has(KEPT), has(DECOUPLED) && has(SCALARS)) {
        (true, ..) => param * shared("KEPT").unwrap_or(1.0),
        (false, false, _) => param,
        (false, true, false) => param * decay,
        (false, true, true) => param - param * decay * scalars.lr_factor,
    };
    let denominator = match second {
        Some(second) => second.sqrt() + shared("EPS").unwrap_or(eps),
        None => shared("DENOMINATOR").unwrap_or(eps),
    };
    let mut step = shared("STEP_SIZE").unwrap_or(step_size) * (exp_avg / denominator);
    if has(SCALARS) {
        step *= scalars.lr_factor;
    }
    kept - step
}

/// `value` brought into `[-limit, limit]`; a NaN stays one.
pub(crate) fn limited(value: f32, limit: f32) -> f32 {
    if value.abs() > limit { limit.copysign(value) } else { value }
}

/// The larger of two numbers that are not below 0, of which -0 is 0; NaN where one is.
fn larger(a: f32, b: f32) -> f32 {
    f32::from_bits(a.abs().to_bits().max(b.abs().to_bits()))
}
