//! What torch wrote, in every way that people save a state.

use super::golden;
use sparse_adam::{AdamOptions, Error, StateDict, WeightDecay};
use sparse_adam_testkit::gpus;
use sparse_adam_testkit::trace::Trace;

/// States of torch.optim.Adam and AdamW.
const ADAMS: [&str; 4] = ["adam", "adamw", "adam_amsgrad", "adamw_amsgrad"];

#[test]
fn what_torch_saved_continues_as_in_torch() {
    let of_sparse_adam = ["plain", "old", "named_groups"];
    for name in of_sparse_adam.into_iter().chain(ADAMS) {
        let start = StateDict::load_pytorch(golden(&format!("{name}.pt"))).unwrap();
        let file = golden(&format!("{name}.safetensors"));
        let trace = Trace::parse(&std::fs::read(file).unwrap()).unwrap();
        let tolerance = trace.recipe.tolerance;
        let (compared, _) = trace.replay_reference_from(tolerance, Some(&start)).unwrap();
        assert!(compared.iter().all(|c| c.within), "{name} on the twin: {compared:?}");
        for gpu in gpus() {
            let replay = trace.replay_from(gpu, None, tolerance, Some(&start));
            let (compared, _) = pollster::block_on(replay).unwrap();
            assert!(compared.iter().all(|c| c.within), "{name}: {compared:?}");
            // Without the state it does not: the test can fail.
            let without = trace.replay(gpu, None, tolerance);
            let compared = pollster::block_on(without).unwrap();
            assert!(compared.iter().any(|c| !c.within), "{name} tells nothing");
        }
    }
}

#[test]
fn states_of_adam_bring_their_rules() {
    let felt = |options: AdamOptions| options.lr(0.05).betas((0.8, 0.95)).eps(1e-2);
    let (adam, adamw) = (felt(AdamOptions::torch_adam()), felt(AdamOptions::torch_adamw()));
    let (none, some) = (WeightDecay::None, WeightDecay::Decoupled(0.1));
    let options = [
        vec![adam],
        vec![adamw],
        vec![adam.amsgrad(true).weight_decay(WeightDecay::L2(0.1)), adam],
        vec![adamw.amsgrad(true).weight_decay(some).maximize(true), adamw.weight_decay(none)],
    ];
    for (name, expected) in ADAMS.into_iter().zip(options) {
        let loaded = load(&format!("{name}.pt"), &[]).unwrap();
        let found: Vec<_> = loaded.param_groups.iter().map(|group| group.options).collect();
        assert_eq!(found, expected, "{name}");
        for group in &loaded.param_groups {
            for number in &group.params {
                let state = &loaded.state[number];
                assert_eq!(state.step, 6, "{name}");
                assert_eq!(state.max_exp_avg_sq.is_some(), group.options.amsgrad, "{name}");
            }
        }
        // As one of ours it comes back, and to no other rule.
        let bytes = loaded.to_safetensors().unwrap();
        assert_eq!(StateDict::from_safetensors(&bytes).unwrap(), loaded);
        let text = std::fs::read(golden(&format!("{name}.safetensors"))).unwrap();
        let mut trace = Trace::parse(&text).unwrap();
        trace.recipe.groups[0].options = AdamOptions::default();
        let tolerance = trace.recipe.tolerance;
        let error = trace.replay_reference_from(tolerance, Some(&loaded)).unwrap_err();
        assert!(error.to_string().contains("epsilon of group 0"), "{error}");
    }
}

fn load(name: &str, keys: &[&str]) -> Result<StateDict, Error> {
    let path = golden(name);
    let loaded = StateDict::load_pytorch_at(&path, keys);
    let of_bytes = StateDict::from_pytorch(&std::fs::read(path).unwrap(), keys);
    assert_eq!(loaded, of_bytes, "{name}: the file and its bytes");
    loaded
}

#[test]
fn one_state_saved_in_many_ways_is_one_state() {
    let plain = load("plain.pt", &[]).unwrap();
    let ways: [(&str, &[&str]); 8] = [
        ("under_a_key.pt", &["optimizer"]),
        ("lightning.pt", &["optimizer_states", "0"]),
        ("before_1_6.pt", &[]),
        ("protocol_4.pt", &[]),
        ("defaultdict.pt", &[]),
        ("tensor_lr.pt", &[]),
        ("views.pt", &[]),
        ("no_crc.pt", &[]),
    ];
    for (name, keys) in ways {
        assert_eq!(load(name, keys).unwrap(), plain, "{name}");
    }
}

#[test]
fn what_schedulers_leave_in_a_group_is_no_obstacle() {
    let loaded = load("one_cycle.pt", &[]).unwrap();
    assert_eq!(loaded.state, load("plain.pt", &[]).unwrap().state);
    let group = &loaded.param_groups[0];
    // OneCycleLR starts at max_lr / 25, and at the larger of its momenta.
    assert_eq!(group.initial_lr, Some(0.01 / 25.0));
    assert_eq!(group.options.betas.0, 0.95);
}

#[test]
fn what_is_refused_is_named_with_its_remedy() {
    let refused: [(&str, &[&str], &str); 13] = [
        ("hostile.pt", &[], "print is not a list"),
        ("not_a_state.pt", &[], "[\"weight\"] is no optimizer's state"),
        ("plain.safetensors", &[], "not what torch.save writes"),
        ("nadam.pt", &[], "a state of torch.optim.NAdam"),
        ("adam_before_2_7.pt", &[], "does not say whether it is Adam's or AdamW's"),
        ("whole_optimizer.pt", &[], "save optimizer.state_dict() instead"),
        ("keyed_by_tensors.pt", &[], "save optimizer.state_dict() instead"),
        ("expanded.pt", &[], "it has more numbers than its storage"),
        ("under_a_key.pt", &[], "load_pytorch_at(path, &[\"optimizer\"])"),
        ("lightning.pt", &[], "load_pytorch_at(path, &[\"optimizer_states\", \"0\"])"),
        ("under_a_key.pt", &["optimiser"], "[\"epoch\", \"model\", \"optimizer\", \"rng\"]"),
        ("under_a_key.pt", &["epoch"], "3 [] is no optimizer's state"),
        ("lightning.pt", &["optimizer_states", "1"], "missing; there are [\"0\"]"),
    ];
    for (name, keys, told) in refused {
        let error = load(name, keys).unwrap_err();
        assert!(matches!(error, Error::InvalidFile { .. }), "{name}: {error}");
        assert!(error.to_string().contains(told), "{name}: {error}");
    }
}

#[test]
fn another_prefix_is_told_and_taken_off() {
    let mut dict = load("named_groups.pt", &[]).unwrap();
    let text = std::fs::read(golden("named_groups.safetensors")).unwrap();
    let trace = Trace::parse(&text).unwrap();
    let tolerance = trace.recipe.tolerance;
    let plain = dict.clone();
    dict.rename_params(|name| format!("module.{name}"));
    let error = trace.replay_reference_from(tolerance, Some(&dict)).unwrap_err();
    let told = r#"behind "module.": take it off with StateDict::rename_params"#;
    assert!(error.to_string().contains(told), "{error}");
    dict.rename_params(|name| name.strip_prefix("module.").unwrap_or(name).to_string());
    assert_eq!(dict, plain);
    assert!(trace.replay_reference_from(tolerance, Some(&dict)).is_ok());
    dict.rename_params(|_| "other".into());
    let error = trace.replay_reference_from(tolerance, Some(&dict)).unwrap_err();
    assert!(error.to_string().contains("StateDict::rename_params changes them"), "{error}");
}
