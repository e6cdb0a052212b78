//! Traces in 16 bits, on the twin and on every adapter: those of `tests/golden/formats.py`, a model that shares
//! nothing with this library.

use safetensors::{Dtype, SafeTensors};
use sparse_adam::{Error, Format, Rounding, StateDict, Tuning};
use sparse_adam_testkit::headless::Gpu;
use sparse_adam_testkit::trace::{Comparison, Outcomes, Tolerance, Trace};
use sparse_adam_testkit::{Stored, other_variants, variants};
use std::path::Path;

pub(super) const EXACT: Tolerance = Tolerance { rtol: 0.0, atol: 0.0 };
/// A spacing of bf16, for adapters whose last bit of f32 may be another.
const SPACING: Tolerance = Tolerance { rtol: 0.0079, atol: 1e-6 };

pub(super) fn tolerance(on: (&Gpu, Tuning)) -> Tolerance {
    if on.0.has_bits_of_twin(&on.1) { EXACT } else { SPACING }
}

/// Name and trace of each file.
fn traces() -> Vec<(String, Trace)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/formats");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let parse = |path: std::path::PathBuf| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        (name, Trace::parse(&std::fs::read(&path).unwrap()).unwrap())
    };
    let mut traces: Vec<_> = files.map(parse).collect();
    traces.sort_by(|a, b| a.0.cmp(&b.0));
    let names: Vec<_> = traces.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["bf16", "f16", "mixed", "moments", "random_bits", "values"]);
    traces
}

fn trace(name: &str) -> Trace {
    traces().into_iter().find(|(other, _)| other == name).unwrap().1
}

pub(super) fn assert_within(what: &str, comparisons: &[Comparison]) {
    assert!(!comparisons.is_empty(), "{what}");
    for comparison in comparisons {
        assert!(comparison.within, "{what}: {comparison:?}");
    }
}

#[test]
fn the_twin_and_every_adapter_have_the_models_numbers() {
    for (name, trace) in traces() {
        assert_eq!(trace.recipe.tolerance, EXACT, "{name}");
        assert!(trace.recipe.source.contains("numpy"), "{name}");
        assert_within(&name, &trace.replay_reference(EXACT).unwrap());
        for on in variants().into_iter().chain(other_variants()) {
            let replay = trace.replay(on.0, Some(on.1), tolerance(on));
            let what = format!("{name} on {}", on.0.describe());
            assert_within(&what, &pollster::block_on(replay).unwrap());
        }
    }
}

/// Names of the tensors that are not the expected ones, of runs on the twin and on an adapter.
fn differing(trace: &Trace) -> Vec<String> {
    let names = |all: Vec<Comparison>| -> Vec<_> {
        all.into_iter().filter(|tensor| !tensor.within).map(|tensor| tensor.name).collect()
    };
    let of_twin = names(trace.replay_reference(EXACT).unwrap());
    let (gpu, tuning) = variants()[0];
    if gpu.has_bits_of_twin(&tuning) {
        let replay = trace.replay(gpu, Some(tuning), EXACT);
        assert_eq!(names(pollster::block_on(replay).unwrap()), of_twin);
    }
    of_twin
}

#[test]
fn a_run_in_other_formats_is_told_from_the_recorded_one() {
    let change = |name: &str, change: &dyn Fn(&mut Stored)| {
        let mut trace = trace(name);
        trace.recipe.formats.values_mut().for_each(change);
        differing(&trace)
    };
    let all_ends = |names: &[String], end: &str| {
        !names.is_empty() && names.iter().all(|name| name.ends_with(end))
    };
    for name in ["bf16", "f16", "mixed"] {
        let found = change(name, &|stored| stored.param = Format::F32);
        assert!(all_ends(&found, "/param"), "{name}: {found:?}");
        // The values alone say nothing: their numbers are those of f32 too.
        assert_eq!(change(name, &|stored| stored.values = Format::F32), [""; 0], "{name}");
    }
    let seed = |stored: &mut Stored| {
        let Rounding::Stochastic { seed } = stored.rounding else { panic!("{stored:?}") };
        stored.rounding = Rounding::Stochastic { seed: seed ^ 1 };
    };
    let found = change("random_bits", &seed);
    assert!(all_ends(&found, "/param"), "{found:?}");
    assert_eq!(found.len(), 2 * 3);
    let found = change("moments", &seed);
    // Of f32 are only p0's parameter after the first step, before any moment was rounded.
    assert_eq!(found.len(), 2 * 3 * 3 - 1, "{found:?}");
    let nearest = |stored: &mut Stored| stored.rounding = Rounding::Nearest;
    assert_eq!(change("random_bits", &nearest).len(), 2 * 3);
}

/// What a run from `start` gives on the twin, which is what it gives on every adapter.
fn outcomes_from(trace: &Trace, start: &StateDict) -> (Outcomes, StateDict) {
    let of_twin = trace.reference_outcomes_from(Some(start)).unwrap();
    for (gpu, tuning) in variants() {
        let run = trace.outcomes_from(gpu, Some(tuning), Some(start));
        let found = pollster::block_on(run).unwrap();
        if gpu.has_bits_of_twin(&tuning) {
            assert_eq!(found, of_twin, "{}", gpu.describe());
        }
    }
    of_twin
}

#[test]
fn a_state_that_is_loaded_goes_on_with_its_formats_and_seeds() {
    for (name, trace) in traces() {
        let (_, whole) = trace.reference_outcomes_from(None).unwrap();
        let saved = StateDict::from_safetensors(&whole.to_safetensors().unwrap()).unwrap();
        assert_eq!(saved, whole, "{name}");
        let (outcomes, state) = outcomes_from(&trace, &saved);
        assert_eq!(state.storage, whole.storage, "{name}");
        // Whatever the trace's seeds are, those of the state go on.
        let mut reseeded = trace.clone();
        let stored = reseeded.recipe.formats.values_mut();
        let drawn = stored.filter(|stored| stored.rounding != Rounding::Nearest);
        drawn.for_each(|stored| stored.rounding = Rounding::Stochastic { seed: 5 });
        let told = trace.recipe.formats != reseeded.recipe.formats;
        assert_eq!(told, ["moments", "random_bits"].contains(&name.as_str()), "{name}");
        assert_eq!(outcomes_from(&reseeded, &saved), (outcomes, state), "{name}");
    }
}

#[test]
fn a_state_in_other_formats_is_refused_by_the_twin_as_by_an_adapter() {
    let trace = trace("moments");
    let mut plain = trace.clone();
    plain.recipe.formats.clear();
    let (_, in_f32) = plain.reference_outcomes_from(None).unwrap();
    let (_, in_bf16) = trace.reference_outcomes_from(None).unwrap();
    for (trace, start) in [(&trace, &in_f32), (&plain, &in_bf16)] {
        let of_twin = trace.reference_outcomes_from(Some(start)).unwrap_err();
        let run = trace.outcomes_from(variants()[0].0, None, Some(start));
        assert_eq!(pollster::block_on(run).unwrap_err(), of_twin);
        assert!(matches!(of_twin, Error::StateMismatch { .. }), "{of_twin:?}");
        assert!(of_twin.to_string().contains("Bf16"), "{of_twin}");
    }
}

#[test]
fn what_is_dumped_are_the_expected_tensors_in_f32() {
    for (name, trace) in traces() {
        let (outcomes, _) = trace.reference_outcomes_from(None).unwrap();
        let bytes = trace.dump(&outcomes).unwrap();
        let dumped = SafeTensors::deserialize(&bytes).unwrap();
        let mut expected = 0;
        for &k in &trace.recipe.expect {
            for (param, shape) in &trace.recipe.params {
                for tensor in ["param", "exp_avg", "exp_avg_sq"] {
                    let Some(values) = trace.expected(k, param, tensor) else { continue };
                    let view = dumped.tensor(&format!("expected/{k}/{param}/{tensor}")).unwrap();
                    assert_eq!(view.dtype(), Dtype::F32);
                    let axes: Vec<_> = shape.iter().map(|&axis| axis as usize).collect();
                    assert_eq!(view.shape(), axes);
                    assert_eq!(bytemuck::pod_collect_to_vec::<_, f32>(view.data()), values);
                    expected += 1;
                }
            }
        }
        assert_eq!(dumped.len(), expected, "{name}");
    }
}
