//! Every golden trace, on the twin and on every adapter in every tuning.

use sparse_adam_testkit::trace::{Comparison, Trace};
use sparse_adam_testkit::{other_variants, variants};
use std::path::PathBuf;

fn traces() -> Vec<(PathBuf, Trace)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|end| end == "safetensors"));
    let traces = files.map(|path| {
        let trace = Trace::parse(&std::fs::read(&path).unwrap()).unwrap();
        (path, trace)
    });
    let traces: Vec<_> = traces.collect();
    assert!(traces.len() >= 16, "the golden traces are missing");
    traces
}

fn assert_within(path: &std::path::Path, on: &str, comparisons: &[Comparison]) {
    assert!(!comparisons.is_empty());
    for comparison in comparisons {
        assert!(comparison.within, "{} on {on}: {comparison:?}", path.display());
    }
}

#[test]
fn the_twin_agrees_with_torch() {
    for (path, trace) in traces() {
        let comparisons = trace.replay_reference(trace.recipe.tolerance).unwrap();
        assert_within(&path, "the twin", &comparisons);
    }
}

#[test]
fn every_adapter_agrees_with_torch() {
    for (path, trace) in traces() {
        for (gpu, tuning) in variants().into_iter().chain(other_variants()) {
            let replay = trace.replay(gpu, Some(tuning), trace.recipe.tolerance);
            let comparisons = pollster::block_on(replay).unwrap();
            assert_within(&path, &gpu.describe(), &comparisons);
        }
    }
}

#[test]
fn moments_are_torchs_bits_where_indices_are_unique() {
    for (path, trace) in traces() {
        if !path.ends_with("unsorted_unique.safetensors") {
            continue;
        }
        let comparisons = trace.replay_reference(trace.recipe.tolerance).unwrap();
        let moments = comparisons.iter().filter(|c| !c.name.ends_with("param"));
        assert!(moments.clone().count() > 0);
        assert!(moments.clone().all(|c| c.max_ulp == 0), "{comparisons:?}");
    }
}

#[test]
fn a_wrong_result_is_outside_the_tolerance() {
    for (path, mut trace) in traces() {
        // Only traces in which the learning rate matters at the first expected step.
        for group in &mut trace.recipe.groups {
            group.options.lr *= 1.01;
        }
        let comparisons = trace.replay_reference(trace.recipe.tolerance).unwrap();
        assert!(comparisons.iter().any(|c| !c.within), "{} tells nothing", path.display());
    }
}
