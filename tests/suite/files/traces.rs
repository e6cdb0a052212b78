//! Traces that contradict themselves, and states that do not fit them.

use super::golden;
use sparse_adam::{Error, StateDict};
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
        (r#"\"version\":1"#, r#"\"clip_grad_norm\":{\"max\":1},\"version\":1"#, "unknown field"),
        (r#"\"maximize\":false"#, r#"\"maximize\":false,\"amsgrad\":true"#, "unknown field"),
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
