//! Adam on the rows that a gradient names (torch/optim/_functional.py, `sparse_adam`).

use super::{Rule, Value, Words};
use crate::AdamOptions;

pub(crate) static ADAM: Rule = Rule {
    name: "adam",
    state: &["exp_avg", "exp_avg_sq"],
    wgsl: include_str!("../../shaders/rules/adam.wgsl"),
    words,
    twin,
};

fn words(options: &AdamOptions, step: u64) -> Words {
    let numbers =
        [options.step_size(step), 1.0 - options.betas.0, 1.0 - options.betas.1, options.eps];
    let [step_size, one_minus_beta1, one_minus_beta2, eps] =
        numbers.map(|number| (number as f32).to_bits());
    [step_size, one_minus_beta1, one_minus_beta2, eps, options.maximize.into(), 0, 0, 0]
}

fn twin(words: &Words, Value { param, state, sum }: Value<'_>) {
    let [step_size, one_minus_beta1, one_minus_beta2, eps, ..] = words.map(f32::from_bits);
    let [exp_avg, exp_avg_sq] = state else { return };
    let grad = if words[4] == 1 { -sum } else { sum };
    *exp_avg += (grad - *exp_avg) * one_minus_beta1;
    *exp_avg_sq += (grad * grad - *exp_avg_sq) * one_minus_beta2;
    *param -= step_size * (*exp_avg / (exp_avg_sq.sqrt() + eps));
}
