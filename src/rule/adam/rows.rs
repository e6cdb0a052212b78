//! What the rows of a lazy Adam have of their own: how often and when they were named, a second moment.

use super::{
    AMSGRAD, CATCH_UP, CORRECTED, DECOUPLED, MOMENTUM, ROW_BIAS, ROW_SECOND, constants, gradient,
    larger,
};
use crate::power::squarings;
use crate::reference::Scalars;
use crate::rule::{ROW_NUMBERS, ROW_WORDS, RowValue, RowWords, Rows, SCALARS, Value, Variant};
use crate::{AdamOptions, CatchUp, WeightDecay};

pub(super) static ROWS: Rows = Rows {
    state,
    numbers,
    wgsl,
    catch_up_wgsl: include_str!("../../../shaders/rules/adam_catch_up.wgsl"),
    words,
    twin,
    needs_squares: |variant| variant & ROW_SECOND != 0,
    gradient_wgsl: super::gradient_wgsl,
    gradient,
    behind,
    behind_twin,
    catch_up_twin,
};

/// Bits of an exponent: steps past 2^24 - 1 count as so many.
const BITS: usize = 24;
const MOST: u32 = (1 << BITS) - 1;

/// The numbers that the columns of a row may share, in their order, and which of them a variant has.
pub(super) fn shared(variant: Variant) -> [(&'static str, bool); 7] {
    let has = |flags| variant & flags != 0;
    [
        ("STEP_SIZE", has(ROW_BIAS)),
        ("EPS", has(ROW_BIAS | MOMENTUM) && !has(ROW_SECOND)),
        ("DENOMINATOR", has(ROW_SECOND)),
        ("KEPT", has(CATCH_UP)),
        ("MISSED", has(MOMENTUM)),
        ("KEPT1", has(MOMENTUM)),
        ("KEPT2", has(MOMENTUM)),
    ]
}

/// A number that the columns of a row share, if the variant has it.
pub(super) fn of(variant: Variant, numbers: [f32; ROW_NUMBERS], name: &str) -> Option<f32> {
    let has = shared(variant).into_iter().filter(|(_, has)| *has);
    let found = numbers.into_iter().zip(has).find(|(_, (known, _))| *known == name);
    found.map(|(number, _)| number)
}

fn numbers(variant: Variant) -> u32 {
    shared(variant).map(|(_, has)| u32::from(has)).iter().sum()
}

fn state(variant: Variant) -> Vec<&'static str> {
    let fields = [
        ("exp_avg_sq", ROW_SECOND, ROW_SECOND),
        ("max_exp_avg_sq", ROW_SECOND | AMSGRAD, ROW_SECOND | AMSGRAD),
        ("row_counter", ROW_BIAS, ROW_BIAS),
        ("prev_iter", CATCH_UP | MOMENTUM, 0),
    ];
    let has =
        |(_, flags, all): &(&str, Variant, Variant)| variant & flags != 0 && variant & all == *all;
    fields.into_iter().filter(has).map(|(name, ..)| name).collect()
}

fn wgsl(variant: Variant) -> String {
    let state = state(variant);
    let at = |name: &str| state.iter().position(|held| *held == name).unwrap_or_default();
    let places = ["exp_avg_sq", "max_exp_avg_sq", "row_counter", "prev_iter"]
        .map(|name| format!("const ROW_{} = {}u;\n", name.to_uppercase(), at(name)));
    let fields = format!("const ROW_FIELDS = {}u;\n", state.len().max(1));
    constants(variant)
        + &places.concat()
        + &fields
        + include_str!("../../../shaders/rules/adam_rows.wgsl")
}

/// `1 - beta^(2^k)` for both betas, and what else there is; see the WGSL.
fn words(variant: Variant, options: &AdamOptions, step: u64) -> RowWords {
    let lr = match options.catch_up {
        CatchUp::Momentum => options.lr / (1.0 - options.betas.0),
        CatchUp::Never | CatchUp::Decay => options.lr,
    };
    let decay = match options.weight_decay {
        WeightDecay::Decoupled(amount) => options.lr * amount,
        WeightDecay::Plain(amount) => amount,
        WeightDecay::None | WeightDecay::L2(_) => 0.0,
    };
    let eps = match variant & CORRECTED {
        0 => options.step_size_and_eps(step).1,
        _ => options.eps,
    };
    let bits = |number: f64| (number as f32).to_bits();
    let powers = [options.betas.0, options.betas.1]
        .map(|beta| squarings(beta).take(BITS).map(|power| bits(1.0 - power)));
    let rest = [bits(lr), bits(eps), bits(1.0 - options.betas.1), bits(decay), step as u32];
    let mut words = [0; ROW_WORDS];
    let all = powers.into_iter().flatten().chain(rest);
    words.iter_mut().zip(all).for_each(|(word, number)| *word = number);
    words
}

/// A step names a row by its own number. Where missed steps are made up for before a gradient comes, a row
/// is up to date once it is where the next step would find it.
fn behind(variant: Variant, step: u64) -> Option<u64> {
    match (variant & CATCH_UP != 0, variant & MOMENTUM != 0) {
        (true, _) => Some(step),
        (false, true) => Some(step + 1),
        (false, false) => None,
    }
}

/// The words by name.
struct Held<'a> {
    powers: [&'a [u32]; 2],
    lr: f32,
    eps: f32,
    one_minus_beta2: f32,
    decay: f32,
    step: u32,
}

impl<'a> Held<'a> {
    fn of(words: &'a RowWords) -> Self {
        let rest: [u32; 5] = std::array::from_fn(|at| words[2 * BITS + at]);
        let [lr, eps, one_minus_beta2, decay, _] = rest.map(f32::from_bits);
        let powers = [&words[..BITS], &words[BITS..2 * BITS]];
        Self { powers, lr, eps, one_minus_beta2, decay, step: rest[4] }
    }

    /// `1 - beta^n`: `1 - b^(s + t)` is `x + (1 - b^t) * (1 - x)` with `x = 1 - b^s`, which cancels nothing.
    fn one_minus_power(&self, which: usize, n: u32) -> f32 {
        let set = self.powers[which].iter().enumerate().filter(|(k, _)| n >> k & 1 == 1);
        set.fold(0.0, |sum, (_, &power)| sum + f32::from_bits(power) * (1.0 - sum))
    }
}

/// `(1 - decay)^n`, likewise.
fn kept(decay: f32, n: u32) -> f32 {
    let (mut sum, mut power) = (0.0, decay);
    for k in 0..BITS {
        if n >> k & 1 == 1 {
            sum += power * (1.0 - sum);
        }
        power += power * (1.0 - power);
    }
    1.0 - sum
}

fn twin(variant: Variant, words: &RowWords, row: RowValue<'_>) -> [f32; ROW_NUMBERS] {
    let RowValue { state: held, mean_square, scalars } = row;
    let rule = Held::of(words);
    let has = |flag| variant & flag != 0;
    let names = state(variant);
    let at = |name| names.iter().position(|known| *known == name).unwrap_or_default();
    let mut found: Vec<(&str, f32)> = Vec::new();
    let mut eps = rule.eps;
    if has(ROW_BIAS) {
        let count = held[at("row_counter")].saturating_add(1);
        held[at("row_counter")] = count;
        let [c1, c2] = [0, 1].map(|which| rule.one_minus_power(which, count.min(MOST)));
        found.push(("STEP_SIZE", c2.sqrt() / c1 * rule.lr));
        eps = corrected(variant, eps, c2.sqrt());
    }
    if has(CATCH_UP | MOMENTUM) {
        let last = std::mem::replace(&mut held[at("prev_iter")], rule.step);
        let of_missed = missed(variant, (&rule, last, scalars), &mut found);
        eps = if has(MOMENTUM) { of_missed } else { eps };
    }
    found.push(("EPS", eps));
    if has(ROW_SECOND) {
        let mut second = f32::from_bits(held[at("exp_avg_sq")]);
        second += (mean_square - second) * rule.one_minus_beta2;
        held[at("exp_avg_sq")] = second.to_bits();
        if has(AMSGRAD) {
            second = larger(f32::from_bits(held[at("max_exp_avg_sq")]), second);
            held[at("max_exp_avg_sq")] = second.to_bits();
        }
        found.push(("DENOMINATOR", second.sqrt() + eps));
    }
    ordered(variant, &found)
}

/// What the steps since `last` come to, of a row that was last named then. Returns epsilon.
fn missed(
    variant: Variant,
    (rule, last, scalars): (&Held<'_>, u32, Scalars),
    found: &mut Vec<(&str, f32)>,
) -> f32 {
    let has = |flag| variant & flag != 0;
    if has(CATCH_UP) {
        // A count that was set back is not ahead of what it names.
        let missed = if last == 0 { 1 } else { rule.step.saturating_sub(last) };
        let by_device = has(DECOUPLED) && has(SCALARS);
        let decay = if by_device { rule.decay * scalars.lr_factor } else { rule.decay };
        found.push(("KEPT", kept(decay, missed.min(MOST))));
        return rule.eps;
    }
    let first = last.clamp(1, rule.step);
    let missed = (rule.step - first).min(MOST);
    let [c1, c2] = [0, 1].map(|which| rule.one_minus_power(which, first.min(MOST)));
    let [gone1, gone2] = [0, 1].map(|which| rule.one_minus_power(which, missed));
    found.push(("MISSED", c2.sqrt() / c1 * gone1 * rule.lr));
    found.extend([("KEPT1", 1.0 - gone1), ("KEPT2", 1.0 - gone2)]);
    corrected(variant, rule.eps, c2.sqrt())
}

fn behind_twin(
    variant: Variant,
    words: &RowWords,
    last: &mut u32,
    scalars: Scalars,
) -> [f32; ROW_NUMBERS] {
    let rule = Held::of(words);
    let mut found = Vec::new();
    let eps = missed(variant, (&rule, *last, scalars), &mut found);
    found.push(("EPS", eps));
    *last = rule.step;
    ordered(variant, &found)
}

/// How far the steps that a row missed move a value, by its moments as they were.
pub(super) fn owed(
    variant: Variant,
    (exp_avg, exp_avg_sq): (f32, f32),
    [eps, missed, ..]: [f32; ROW_NUMBERS],
    scalars: Scalars,
) -> f32 {
    let step = missed * (exp_avg / (exp_avg_sq.sqrt() + eps));
    if variant & SCALARS == 0 { step } else { step * scalars.lr_factor }
}

fn catch_up_twin(variant: Variant, value: Value<'_>) {
    let Value { param, state, scalars, shared, .. } = value;
    if variant & CATCH_UP != 0 {
        *param *= of(variant, shared, "KEPT").unwrap_or(1.0);
    } else if let [exp_avg, exp_avg_sq] = state {
        let [_, _, kept1, kept2] = shared;
        *param -= owed(variant, (*exp_avg, *exp_avg_sq), shared, scalars);
        *exp_avg *= kept1;
        *exp_avg_sq *= kept2;
    }
}

/// An epsilon that belongs to the corrected root, whose correction has the root `root`.
fn corrected(variant: Variant, eps: f32, root: f32) -> f32 {
    if variant & CORRECTED == 0 { eps } else { larger(eps * root, f32::MIN_POSITIVE) }
}

/// Numbers by name, in their places.
fn ordered(variant: Variant, found: &[(&str, f32)]) -> [f32; ROW_NUMBERS] {
    let mut numbers = [0.0; ROW_NUMBERS];
    let has = shared(variant).into_iter().filter(|(_, has)| *has);
    for (number, (name, _)) in numbers.iter_mut().zip(has) {
        *number = found.iter().find(|(known, _)| *known == name).map_or(0.0, |(_, value)| *value);
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::power::power;

    #[test]
    fn powers_are_right_to_some_units_however_many_steps() {
        for beta in [0.0, 0.5, 0.9, 0.999, 0.999_999] {
            let options = AdamOptions::dgl().betas((beta, beta));
            let words = words(ROW_BIAS, &options, 1);
            let rule = Held::of(&words);
            let all = (1..3000).chain([4095, 4096, 65_537, 1_000_003, MOST - 1, MOST]);
            for n in all {
                let expected = 1.0 - power(beta, n.into());
                let found = f64::from(rule.one_minus_power(1, n));
                assert!((found - expected).abs() <= 1.8e-7 * expected, "{beta}^{n}: {found:e}");
            }
        }
    }

    #[test]
    fn what_decay_leaves_is_right_to_some_units_however_many_steps() {
        for decay in [1e-7f32, 1e-5, 3e-3, 0.3] {
            for n in (0..3000).chain([4095, 4096, 65_537, 1_000_003, MOST - 1, MOST]) {
                let expected = power(1.0 - f64::from(decay), n.into());
                let found = f64::from(kept(decay, n));
                assert!((found - expected).abs() <= 1e-6, "{decay}, {n}: {found:e}");
            }
        }
    }
}
