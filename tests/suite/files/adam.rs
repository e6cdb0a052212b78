//! Pickles of torch's Adam and AdamW, made by hand: the rule that a group tells, and amsgrad's maximum.

use super::pickles::{good, load, refused};
use super::zips::*;
use sparse_adam::{AdamOptions, WeightDecay};

/// True and false.
const YES: &[u8] = b"\x88";
const NO: &[u8] = b"\x89";

/// A group with these flags and numbers of Adam.
fn of_adam(flags: &[(&str, &[u8])], numbers: &[(&str, f64)]) -> Vec<u8> {
    let flags = flags.iter().map(|&(key, flag)| (text(key), flag.to_vec()));
    let numbers = numbers.iter().map(|&(key, number)| (text(key), float(number)));
    group(&[0], &flags.chain(numbers).collect::<Vec<_>>())
}

#[test]
fn a_group_of_adam_is_its_rule() {
    let rule = |flags: &[(&str, &[u8])], numbers: &[(&str, f64)]| {
        let loaded = load(&state_dict(&[good()], &[of_adam(flags, numbers)])).unwrap();
        loaded.param_groups[0].options
    };
    let numbers = |options: AdamOptions| options.lr(0.5).betas((0.5, 0.75));
    let adam = numbers(AdamOptions::torch_adam());
    let (l2, decoupled) = (WeightDecay::L2(0.1), WeightDecay::Decoupled(0.1));
    let (coupled, apart) = (("decoupled_weight_decay", NO), ("decoupled_weight_decay", YES));
    assert_eq!(rule(&[("amsgrad", NO)], &[]), adam);
    assert_eq!(rule(&[("amsgrad", YES), apart], &[]), adam.amsgrad(true));
    // Of nothing, it does not matter how it decays: torch before 2.7 did not say.
    assert_eq!(rule(&[("amsgrad", NO)], &[("weight_decay", 0.0)]), adam);
    assert_eq!(rule(&[("amsgrad", NO), apart], &[("weight_decay", 0.0)]), adam);
    let decayed = |flag| rule(&[("amsgrad", NO), flag], &[("weight_decay", 0.1)]);
    assert_eq!(decayed(coupled), adam.weight_decay(l2));
    assert_eq!(decayed(apart), adam.weight_decay(decoupled));
    // How it computes is no matter.
    let ways = [("foreach", NO), ("fused", &b"N"[..]), ("capturable", NO), ("differentiable", NO)];
    assert_eq!(
        rule(&[&ways[..], &[("amsgrad", NO), ("maximize", YES)]].concat(), &[]),
        adam.maximize(true)
    );
}

#[test]
fn a_group_of_adam_that_tells_too_little_or_too_much_is_refused() {
    let with = |flags: &[(&str, &[u8])], numbers: &[(&str, f64)]| {
        state_dict(&[good()], &[of_adam(flags, numbers)])
    };
    let told = "weight_decay without decoupled_weight_decay: of torch before 2.7, which does not say whether it is \
                Adam's or AdamW's";
    refused(&with(&[("amsgrad", NO)], &[("weight_decay", 0.1)]), told);
    refused(&with(&[("amsgrad", b"N")], &[]), "amsgrad is None");
    let decoupled = [("amsgrad", NO), ("decoupled_weight_decay", &b"N"[..])];
    refused(&with(&decoupled, &[("weight_decay", 0.1)]), "decoupled_weight_decay is None");
    refused(
        &with(&[("amsgrad", NO), ("weight_decay", b"N")], &[]),
        "weight_decay: None is not a number",
    );
    refused(&with(&[("amsgrad", NO)], &[("momentum_decay", 0.1)]), "torch.optim.NAdam");
    refused(&with(&[("amsgrad", NO), ("nesterov", NO)], &[]), "torch.optim.SGD");
    // SparseAdam has none of Adam's keys.
    refused(&with(&[], &[("weight_decay", 0.1)]), "unknown key \"weight_decay\"");
    refused(&with(&[("foreach", NO)], &[]), "unknown key \"foreach\"");
}

#[test]
fn a_state_of_amsgrad_holds_its_maximum() {
    let groups = [of_adam(&[("amsgrad", YES)], &[])];
    let with = |largest: Vec<u8>| {
        let (_, state) = good();
        let state = [&state[..state.len() - 1], &text("max_exp_avg_sq"), &largest, b"u"].concat();
        state_dict(&[(int(0), state)], &groups)
    };
    let loaded = load(&with(moment("1"))).unwrap();
    let largest = loaded.state[&0].max_exp_avg_sq.as_deref();
    assert_eq!(largest, Some(&[2.0, 3.0, 4.0, 5.0, 6.0, 7.0][..]));
    assert_eq!(loaded.state[&0].exp_avg_sq, [2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    let view = |size: &[i64], stride: &[i64]| {
        Tensor { class: "FloatStorage", key: "1", length: 6, offset: 0, size, stride }.pickled()
    };
    refused(&with(view(&[2, 3], &[3, 1])), "its moments differ in shape");
    refused(&with(view(&[6], &[1])), "its moments differ in shape");
    refused(&with(b"N".to_vec()), "state.0.max_exp_avg_sq: None is not a tensor");
}
