use super::*;
use serde_json::{Value, json};

/// A trace of two parameters of 2 x 2 and one step, with these formats, first values of `p0` and values of its
/// gradient's one entry.
fn trace(formats: &str, initial: [f32; 4], values: [f32; 2]) -> Result<Trace, Error> {
    let formats: Value = serde_json::from_str(formats).unwrap();
    let group = json!({"lr": 0.5, "betas": [0.9, 0.999], "eps": 1e-8, "params": ["p0", "p1"]});
    let recipe = json!({
        "version": 1, "params": {"p0": [2, 2], "p1": [2, 2]}, "groups": [group],
        "steps": [{"grads": ["p0"]}], "expect": [0], "tolerance": {"rtol": 0, "atol": 0},
        "formats": formats,
    });
    parse(&recipe.to_string(), initial, values)
}

fn parse(recipe: &str, initial: [f32; 4], values: [f32; 2]) -> Result<Trace, Error> {
    let of = |dtype: &str, shape: &[usize], begin: usize, end: usize| json!({"dtype": dtype, "shape": shape, "data_offsets": [begin, end]});
    let header = json!({
        "__metadata__": {"trace": recipe},
        "step/0/p0/indices": of("I64", &[1], 0, 8),
        "step/0/p0/values": of("F32", &[1, 2], 8, 16),
        "initial/p0": of("F32", &[2, 2], 16, 32),
        "initial/p1": of("F32", &[2, 2], 32, 48),
    });
    let header = header.to_string();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(1i64.to_le_bytes());
    let numbers = values.iter().chain(&initial).chain(&[0.1; 4]);
    bytes.extend(numbers.flat_map(|number| number.to_le_bytes()));
    Trace::parse(&bytes)
}

/// That of p0, by its keys.
fn stored(keys: &str) -> Stored {
    let trace = trace(&format!(r#"{{"p0": {keys}}}"#), [1.0; 4], [1.0; 2]).unwrap();
    assert_eq!(trace.recipe.stored("p1"), Stored::default(), "{keys}");
    let told = serde_json::to_string(&trace.recipe).unwrap();
    assert_eq!(serde_json::from_str::<Recipe>(&told).unwrap(), trace.recipe, "{keys}");
    trace.recipe.stored("p0")
}

#[test]
fn keys_mean_their_formats_and_what_is_absent_is_f32() {
    let (f32, f16, bf16) = (Format::F32, Format::F16, Format::Bf16);
    let drawn = |seed| Rounding::Stochastic { seed };
    let cases = [
        ("{}", f32, f32, f32, Rounding::Nearest),
        (r#"{"param": "f16"}"#, f16, f32, f32, Rounding::Nearest),
        (r#"{"param": "bf16", "values": "f16"}"#, bf16, f32, f16, Rounding::Nearest),
        (r#"{"values": "bf16", "state": "f32"}"#, f32, f32, bf16, Rounding::Nearest),
        (r#"{"state": "bf16"}"#, f32, bf16, f32, drawn(0)),
        (r#"{"param": "f16", "state": "bf16"}"#, f16, bf16, f32, drawn(0)),
        (r#"{"state": "bf16", "rounding": {"stochastic": 7}}"#, f32, bf16, f32, drawn(7)),
        (r#"{"param": "f16", "rounding": {"stochastic": 9}}"#, f16, f32, f32, drawn(9)),
        (r#"{"param": "f16", "rounding": "nearest"}"#, f16, f32, f32, Rounding::Nearest),
    ];
    for (keys, param, moments, values, rounding) in cases {
        assert_eq!(stored(keys), Stored { param, moments, rounding, values }, "{keys}");
    }
}

#[test]
fn a_recipe_without_formats_says_nothing_of_them() {
    let plain = trace("{}", [0.1; 4], [0.1; 2]).unwrap();
    assert!(!serde_json::to_string(&plain.recipe).unwrap().contains("formats"));
}

#[test]
fn what_a_trace_cannot_ask_for_is_refused_by_name() {
    let refused = [
        (r#"{"p0": {"param": "f8"}}"#, "unknown variant `f8`"),
        (r#"{"p0": {"values": "F16"}}"#, "unknown variant `F16`"),
        (r#"{"p0": {"state": "f16"}}"#, "state in f16"),
        (r#"{"p0": {"moments": "bf16"}}"#, "unknown field `moments`"),
        (r#"{"p0": {"param": "f16", "rounding": "down"}}"#, "unknown variant `down`"),
        (r#"{"p0": {"param": "f16", "rounding": {"stochastic": -1}}}"#, "invalid value"),
        (r#"{"p0": "f16"}"#, "invalid type"),
        (
            r#"{"p7": {"param": "f16"}}"#,
            r#"formats of "p7": of a parameter that the trace does not have"#,
        ),
    ];
    for (formats, told) in refused {
        let error = trace(formats, [1.0; 4], [1.0; 2]).unwrap_err();
        assert!(matches!(error, Error::InvalidFile { .. }), "{error:?}");
        assert!(error.to_string().contains(told), "{formats}: {error}");
    }
    // JSON's own maps keep the last of two keys.
    let recipe = r#"{"version":1,"params":{"p0":[2,2],"p1":[2,2]},
        "groups":[{"lr":0.5,"betas":[0.9,0.999],"eps":1e-8,"params":["p0","p1"]}],
        "steps":[{"grads":["p0"]}],"expect":[],"tolerance":{"rtol":0,"atol":0},
        "formats":{"p0":{"param":"f16"},"p0":{"param":"bf16"}}}"#;
    let error = parse(recipe, [1.0; 4], [1.0; 2]).unwrap_err().to_string();
    assert!(error.contains("a key twice"), "{error}");
}

#[test]
fn an_input_that_is_no_number_of_its_format_is_refused_by_tensor_element_and_format() {
    let third = 1.0f32 / 3.0;
    let [f16, bf16] = [Format::F16, Format::Bf16].map(|format| rounded(format, &[third])[0]);
    let both = r#"{"p0": {"param": "f16", "values": "bf16"}}"#;
    trace(both, [f16; 4], [bf16; 2]).unwrap();
    let of_param = |initial| trace(both, initial, [bf16; 2]).unwrap_err().to_string();
    for (at, wrong) in [(0, third), (3, 65520.0), (2, f16.next_up()), (1, 1e-9)] {
        let mut initial = [f16; 4];
        initial[at] = wrong;
        let error = of_param(initial);
        let told = format!("trace: initial/p0: element {at}, {wrong:?}, is no number of F16");
        assert!(error.contains(&told), "{error}");
    }
    let error = trace(both, [f16; 4], [bf16, f16]).unwrap_err().to_string();
    assert!(error.contains("step/0/p0/values: element 1"), "{error}");
    assert!(error.contains("no number of Bf16"), "{error}");
    // Signs of zero, infinities and NaN are numbers of all; so is everything of f32.
    trace(both, [-0.0, f32::INFINITY, f32::NAN, 2f32.powi(-24)], [f32::NAN, -0.0]).unwrap();
    trace(r#"{"p0": {"state": "bf16"}}"#, [third; 4], [third; 2]).unwrap();
}

#[test]
fn the_twin_refuses_what_an_optimizer_refuses() {
    let refused = [
        (r#"{"p0": {"state": "bf16", "rounding": "nearest"}}"#, "Rounding::Nearest"),
        (r#"{"p0": {"rounding": {"stochastic": 1}}}"#, "where parameter and moments are f32"),
    ];
    for (formats, told) in refused {
        let trace = trace(formats, [1.0; 4], [1.0; 2]).unwrap();
        let error = trace.reference_outcomes_from(None).unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }), "{error:?}");
        assert!(error.to_string().contains(told), "{error}");
    }
}

#[test]
fn a_twin_writes_numbers_of_the_formats() {
    let formats = r#"{"p0": {"param": "bf16", "state": "bf16", "rounding": {"stochastic": 3}}}"#;
    let trace = trace(formats, [1.0; 4], [0.1, 0.7]).unwrap();
    let (outcomes, dict) = trace.reference_outcomes_from(None).unwrap();
    let found = &outcomes[&(0, "p0".to_string())];
    let state = found.state.as_ref().unwrap();
    for tensor in [&found.param, &state.exp_avg, &state.exp_avg_sq] {
        assert_eq!(&rounded(Format::Bf16, tensor), tensor);
        assert!(tensor[2] != tensor[0], "row 1 was not written");
    }
    assert_eq!(dict.storage[&0].rounding, Rounding::Stochastic { seed: 3 });
    assert_eq!(dict.storage[&0].moments, Format::Bf16);
    assert_eq!(dict.storage.len(), 1);
}
