//! Traces that contradict themselves, and states that do not fit them.

use super::golden;
use sparse_adam::{
    AdamOptions, BiasCorrection, CatchUp, Clip, Epsilon, Error, Reduction, SecondMoment, StateDict,
    WeightDecay,
};
use sparse_adam_testkit::gpus;
use sparse_adam_testkit::trace::Trace;

fn trace(change: impl Fn(&str) -> String) -> Result<Trace, Error> {
    let bytes = std::fs::read(golden("../two_groups.safetensors")).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header = std::str::from_utf8(&bytes[8..8 + length]).unwrap();
    let header = change(header);
    let data = &bytes[8 + length..];
    Trace::parse(&[&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat())
}

#[test]
fn a_trace_that_contradicts_itself_is_refused() {
    assert!(trace(str::to_string).is_ok());
    let changes = [
        // In no group, in two, twice in one, one that does not exist; no parameters.
        (r#"\"params\":[\"p1\"]"#, r#"\"params\":[]"#, "it has no parameters"),
        (r#"\"params\":[\"p1\"]"#, r#"\"params\":[\"p0\"]"#, "in the groups twice"),
        (r#"\"params\":[\"p1\"]"#, r#"\"params\":[\"p1\",\"p1\"]"#, "in the groups twice"),
        (r#"\"params\":[\"p1\"]"#, r#"\"params\":[\"p1\",\"p2\"]"#, "does not have"),
        (r#"\"p1\":[18,4]"#, r#"\"p1\":[18,4],\"p1\":[18,4]"#, "a key twice"),
        (r#"\"p1\":[18,4]"#, r#"\"p1\":[18,5]"#, "do not fill"),
        (r#"\"p1\":[18,4]"#, r#"\"p1\":[]"#, "do not fill"),
        (r#"\"p1\":[18,4]"#, r#"\"p1\":[4294967295,4294967295,4294967295]"#, "do not fill"),
        (r#"\"grads\":[\"p0\",\"p1\"]"#, r#"\"grads\":[\"p0\",\"p0\"]"#, "two gradients"),
        (r#"\"grads\":[\"p0\",\"p1\"]"#, r#"\"grads\":[\"p0\",\"p7\"]"#, "does not have"),
        (r#"\"version\":1"#, r#"\"version\":2"#, "version 2, not 1"),
        (r#"\"version\":1"#, r#"\"clip_norm\":{\"max\":1},\"version\":1"#, "unknown field"),
        (r#"\"expect\":["#, r#"\"expect\":[99,"#, "step 99 of"),
        ("step/0/p1/values", "step/0/p1/volumes", "missing"),
    ];
    for (from, to, told) in changes {
        let altered = trace(|header| {
            let altered = header.replacen(from, to, 1);
            assert!(altered != header, "{from} is not in the header");
            altered
        });
        let error = altered.unwrap_err().to_string();
        assert!(error.contains(told), "{from} -> {to}: {error}");
    }
}

#[test]
fn a_parameter_in_no_group_is_refused() {
    // p1 leaves its group: the group's key goes with it.
    let lone = trace(|header| {
        let from = header.find(r#"\"groups\":[{"#).unwrap() + r#"\"groups\":["#.len();
        let end = from + header[from..].find("},{").unwrap() + 2;
        let rest = end + header[end..].find("}]").unwrap() + 1;
        format!("{}{}", &header[..end - 1], &header[rest..])
    });
    let error = lone.unwrap_err().to_string();
    assert!(error.contains("in no group; name it in one"), "{error}");
}

/// What the error must name, and the change.
type Wrong = (&'static str, fn(&mut StateDict));

#[test]
fn a_replay_refuses_a_state_that_does_not_fit() {
    let trace = trace(str::to_string).unwrap();
    let tolerance = trace.recipe.tolerance;
    let (_, whole) = trace.replay_reference_from(tolerance, None).unwrap();
    let wrong: [Wrong; 9] = [
        ("number of parameter groups", |dict| drop(dict.param_groups.pop())),
        ("parameters of group 1", |dict| dict.param_groups[1].params.clear()),
        ("names in group 0", |dict| {
            dict.param_groups[0].param_names = Some(vec!["other".into()]);
        }),
        ("distinct parameters", |dict| dict.param_groups[1].params[0] = 0),
        ("parameters of the groups", |dict| {
            let state = dict.state[&0].clone();
            dict.state.insert(9, state);
        }),
        ("shape of", |dict| dict.state.get_mut(&0).unwrap().shape.reverse()),
        ("values of exp_avg of", |dict| dict.state.get_mut(&0).unwrap().exp_avg.truncate(1)),
        ("values of exp_avg_sq of", |dict| dict.state.get_mut(&0).unwrap().exp_avg_sq.clear()),
        ("at most 2^53", |dict| dict.state.get_mut(&0).unwrap().step = u64::MAX),
    ];
    for (named, change) in wrong {
        let mut dict = whole.clone();
        change(&mut dict);
        let of_twin = trace.replay_reference_from(tolerance, Some(&dict)).unwrap_err();
        assert!(of_twin.to_string().contains(named), "{named}: {of_twin}");
        let replay = trace.replay_from(&gpus()[0], None, tolerance, Some(&dict));
        assert_eq!(pollster::block_on(replay).unwrap_err(), of_twin);
    }
    assert!(trace.replay_reference_from(tolerance, Some(&whole)).is_ok());
}

/// The first group, with further keys.
fn with_keys(keys: &str) -> Result<AdamOptions, Error> {
    let from = r#"\"maximize\":false"#;
    let keys = format!("{from},{}", keys.replace('"', r#"\""#));
    let trace = trace(|header| header.replacen(from, &keys, 1))?;
    Ok(trace.recipe.groups[0].options)
}

#[test]
fn a_groups_keys_mean_their_options() {
    let base = AdamOptions::default();
    let keys = [
        (r#""epsilon":"raw""#, base),
        (r#""epsilon":"corrected""#, base.epsilon(Epsilon::Corrected)),
        (r#""bias_correction":"step""#, base),
        (r#""bias_correction":"none""#, base.bias_correction(BiasCorrection::None)),
        (r#""weight_decay":0.5,"decay":"l2""#, base.weight_decay(WeightDecay::L2(0.5))),
        (r#""decay":"decoupled","weight_decay":2"#, base.weight_decay(WeightDecay::Decoupled(2.0))),
        (r#""weight_decay":0.5,"decay":"plain""#, base.weight_decay(WeightDecay::Plain(0.5))),
        (r#""weight_decay":0"#, base),
        (r#""amsgrad":true"#, base.amsgrad(true)),
        (r#""clip_entries":0.25"#, base.clip(Clip::Entries(0.25))),
        (r#""clip_value":0.25"#, base.clip(Clip::Value(0.25))),
        (r#""grad_scale":0.125"#, base.grad_scale(0.125)),
        (r#""bias_correction":"row""#, base.bias_correction(BiasCorrection::Row)),
        (r#""second_moment":"row""#, base.second_moment(SecondMoment::Row)),
        (
            r#""catch_up":"decay","weight_decay":0.5,"decay":"plain""#,
            base.catch_up(CatchUp::Decay).weight_decay(WeightDecay::Plain(0.5)),
        ),
        (r#""catch_up":"momentum""#, base.catch_up(CatchUp::Momentum)),
        (r#""catch_up":"never","second_moment":"element","duplicates":"sum""#, base),
        (r#""duplicates":"mean""#, base.duplicates(Reduction::Mean)),
    ];
    for (keys, expected) in keys {
        assert_eq!(with_keys(keys), Ok(expected), "{keys}");
    }
}

#[test]
fn keys_of_what_is_not_done_here_are_refused() {
    let refused = [
        (r#""bias_correction":"entry""#, "unknown variant"),
        (r#""epsilon":"inside""#, "unknown variant"),
        (r#""second_moment":"table""#, "unknown variant"),
        (r#""duplicates":"first""#, "unknown variant"),
        (r#""clip_norm":1.0"#, "unknown field"),
        (r#""decay":"all","weight_decay":0.5"#, "unknown variant"),
        (r#""weight_decay":0.5"#, "weight_decay without decay"),
        (r#""clip_entries":1,"clip_value":1"#, "clip_entries and clip_value"),
        (r#""amsgrad":true,"amsgrad":true"#, "duplicate field"),
    ];
    for (keys, told) in refused {
        let error = with_keys(keys).unwrap_err().to_string();
        assert!(error.contains(told), "{keys}: {error}");
    }
    // At the top level.
    for key in [r#"\"clip_norm\":{}"#, r#"\"clip_grad_norm\":{\"max_norm\":1}"#] {
        let key = format!(r#"{key},\"version\":1"#);
        let error = trace(|header| header.replacen(r#"\"version\":1"#, &key, 1)).unwrap_err();
        assert!(error.to_string().contains("unknown field"), "{error}");
    }
    for (keys, told) in
        [(r#"\"max\":0"#, "max_norm"), (r#"\"max\":1,\"norm_type\":\"3\""#, "unknown variant")]
    {
        let key = format!(r#"\"clip_grad_norm\":{{{keys}}},\"version\":1"#);
        let error = trace(|header| header.replacen(r#"\"version\":1"#, &key, 1)).unwrap_err();
        assert!(error.to_string().contains(told), "{error}");
    }
}

#[test]
fn a_run_starts_at_the_step_that_its_trace_names() {
    let with = |steps: &str| {
        let key = format!(r#"\"start_step\":{{{steps}}},\"version\":1"#);
        trace(|header| header.replacen(r#"\"version\":1"#, &key, 1))
    };
    for (steps, told) in [
        (r#"\"p9\":1"#, "of a parameter that the trace does not have"),
        (r#"\"p0\":1,\"p0\":1"#, "a key twice"),
        (r#"\"p0\":-1"#, "invalid value"),
        (r#"\"p0\":9007199254740993"#, "at most 2^53"),
    ] {
        let error = with(steps).unwrap_err().to_string();
        assert!(error.contains(told), "{steps}: {error}");
    }
    let plain = trace(str::to_string).unwrap();
    let late = with(r#"\"p1\":40"#).unwrap();
    let tolerance = plain.recipe.tolerance;
    let steps = plain.recipe.steps.len() as u64;
    let (compared, of_twin) = late.replay_reference_from(tolerance, None).unwrap();
    assert_eq!([0, 1].map(|number| of_twin.state[&number].step), [steps, steps + 40]);
    // The bias correction alone differs: of p1's values, not of its moments.
    for compared in compared {
        assert_eq!(compared.within, !compared.name.ends_with("p1/param"), "{compared:?}");
    }
    for gpu in gpus() {
        let replay = late.replay_from(gpu, None, tolerance, None);
        let (compared, of_gpu) = pollster::block_on(replay).unwrap();
        assert_eq!(of_gpu.state[&1].step, steps + 40);
        assert!(compared.iter().all(|c| c.within != c.name.ends_with("p1/param")), "{compared:?}");
        // A state that is loaded has counts of its own.
        let (_, whole) = plain.replay_reference_from(tolerance, None).unwrap();
        let mut first = whole.clone();
        first.state.remove(&1);
        let replay = late.replay_from(gpu, None, tolerance, Some(&first));
        let of_gpu = pollster::block_on(replay).unwrap().1;
        let of_twin = late.replay_reference_from(tolerance, Some(&first)).unwrap().1;
        for held in [of_gpu, of_twin] {
            assert_eq!([0, 1].map(|number| held.state[&number].step), [2 * steps, steps]);
        }
    }
}

#[test]
fn a_tensor_that_is_told_of_nobody_is_not_compared_and_else_it_is() {
    let names = |header: fn(&str) -> String| {
        let trace = trace(header).unwrap();
        let (compared, _) = trace.replay_reference_from(trace.recipe.tolerance, None).unwrap();
        compared.into_iter().map(|c| (c.name, c.within)).collect::<Vec<_>>()
    };
    let whole = names(str::to_string);
    assert_eq!(whole.len(), 3 * 2 * 3);
    // One is missing: torch had none, and we do.
    let one = names(|header| header.replacen("expected/5/p1/exp_avg\"", "expected/5/p1/lost\"", 1));
    let missed: Vec<_> = one.iter().filter(|(_, within)| !within).collect();
    assert_eq!(missed, [&("5/p1/exp_avg".to_string(), false)]);
    assert_eq!(one.len(), whole.len());
    // None is told: what there is of a parameter that has stepped, nobody knows.
    let none = names(|header| header.replace("/exp_avg", "/lost"));
    assert_eq!(none.len(), 3 * 2);
    assert!(none.iter().all(|(name, within)| name.ends_with("/param") && *within), "{none:?}");
    // A parameter that has not stepped has no state all the same.
    let before = names(|header| {
        let header = header.replace("/exp_avg", "/lost");
        header.replacen(r#"\"grads\":[\"p0\",\"p1\"]"#, r#"\"grads\":[\"p0\"]"#, 1)
    });
    let of_nothing: Vec<_> = before.iter().filter(|(name, _)| name.contains("exp_avg")).collect();
    let told = ["0/p1/exp_avg", "0/p1/exp_avg_sq"].map(|name| (name.to_string(), true));
    assert_eq!(of_nothing, told.iter().collect::<Vec<_>>());
    // The parameter is compared always.
    let lost = names(|header| header.replace("/param\"", "/lost\""));
    assert_eq!(lost.iter().filter(|(name, within)| name.ends_with("/param") && !within).count(), 6);
}
