//! Adam on the rows that a gradient names (torch/optim/_functional.py, `sparse_adam`), and its relatives.

use super::{Family, SCALARS, Value, Variant, Words};
use crate::{AdamOptions, Clip, WeightDecay};

pub(crate) static ADAM: Family = Family { name: "adam", variant, state, wgsl, words, twin };

/// Bits of a variant; none of them for torch's SparseAdam. The WGSL has a constant of each name.
const FLAGS: [(&str, Variant); 7] = [
    ("SCALED", SCALED),
    ("CLIPPED", CLIPPED),
    ("L2", L2),
    ("KEPT", KEPT),
    ("AMSGRAD", AMSGRAD),
    ("DECOUPLED", DECOUPLED),
    ("DEVICE", SCALARS),
];
const SCALED: Variant = 1;
const CLIPPED: Variant = 1 << 1;
const L2: Variant = 1 << 2;
const KEPT: Variant = 1 << 3;
const AMSGRAD: Variant = 1 << 4;
/// Beside KEPT: what is kept depends on the learning rate.
const DECOUPLED: Variant = 1 << 5;
/// All of them, of which no rule has both L2 and KEPT.
#[cfg(test)]
pub(crate) const ALL_FLAGS: Variant = (1 << 6) - 1;

fn variant(options: &AdamOptions) -> Variant {
    let decay = match options.weight_decay {
        WeightDecay::None => 0,
        WeightDecay::L2(_) => L2,
        WeightDecay::Decoupled(_) => KEPT | DECOUPLED,
        WeightDecay::Plain(_) => KEPT,
    };
    let when = |holds, flag| if holds { flag } else { 0 };
    decay
        | when(options.grad_scale != 1.0, SCALED)
        | when(matches!(options.clip, Clip::Value(_)), CLIPPED)
        | when(options.amsgrad, AMSGRAD)
}

fn state(variant: Variant) -> &'static [&'static str] {
    match variant & AMSGRAD {
        0 => &["exp_avg", "exp_avg_sq"],
        _ => &["exp_avg", "exp_avg_sq", "max_exp_avg_sq"],
    }
}

fn wgsl(variant: Variant) -> String {
    let constants = FLAGS.map(|(name, flag)| format!("const {name} = {};\n", variant & flag != 0));
    constants.concat() + include_str!("../../shaders/rules/adam.wgsl")
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

fn twin(variant: Variant, words: &Words, Value { param, state, sum, scalars }: Value<'_>) {
    let [step_size, one_minus_beta1, one_minus_beta2, eps, _, grad_scale, clip, decay] =
        words.map(f32::from_bits);
    let [exp_avg, exp_avg_sq, largest @ ..] = state else { return };
    let has = |flag| variant & flag != 0;
    let mut grad = if has(SCALED) { sum * grad_scale } else { sum };
    if has(SCALARS) {
        grad *= scalars.grad_scale;
    }
    if words[4] == 1 {
        grad = -grad;
    }
    if has(CLIPPED) {
        grad = limited(grad, clip);
    }
    if has(L2) {
        grad += *param * decay;
    }
    *exp_avg += (grad - *exp_avg) * one_minus_beta1;
    *exp_avg_sq += (grad * grad - *exp_avg_sq) * one_minus_beta2;
    let second = match largest {
        [largest] => {
            *largest = larger(*largest, *exp_avg_sq);
            *largest
        }
        _ => *exp_avg_sq,
    };
    let kept = match (has(KEPT), has(DECOUPLED) && has(SCALARS)) {
        (false, _) => *param,
        (true, false) => *param * decay,
        (true, true) => *param - *param * decay * scalars.lr_factor,
    };
    let mut step = step_size * (*exp_avg / (second.sqrt() + eps));
    if has(SCALARS) {
        step *= scalars.lr_factor;
    }
    *param = kept - step;
}

/// `value` brought into `[-limit, limit]`; a NaN stays one.
pub(crate) fn limited(value: f32, limit: f32) -> f32 {
    if value.abs() > limit { limit.copysign(value) } else { value }
}

/// The larger of two numbers that are not below 0, of which -0 is 0; NaN where one is.
fn larger(a: f32, b: f32) -> f32 {
    f32::from_bits(a.abs().to_bits().max(b.abs().to_bits()))
}
